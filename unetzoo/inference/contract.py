"""What a trained model promises about its data; travels as JSON in checkpoints and in the ONNX metadata."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from .cleaning import Cleaning
from .normalisation import METHODS, BandNormalisation, Normalisation
from .plain_values import fields_of, plain
from .quantisation import Quantisation

__all__ = [
    "BLENDS",
    "IGNORE",
    "METADATA_KEY",
    "METHODS",
    "SCHEMA_VERSION",
    "UNITS",
    "BandNormalisation",
    "ClassSpec",
    "Contract",
    "DataSpec",
    "ImageTarget",
    "Normalisation",
]

SCHEMA_VERSION = 1
METADATA_KEY = "unetzoo"
"""Key of the contract in the ``metadata_props`` of an ONNX file."""

IGNORE = 255
"""Id for "no label" inside the library, and for no-data in the label maps that are written."""

BLENDS = ("gaussian", "linear", "constant", "crop")
UNITS = ("mm", "m", "deg", "px")


@dataclass(frozen=True)
class ClassSpec:
    """One class. Label maps hold its position in ``DataSpec.classes``.

    Args:
        ids: The ids in the user's mask files that mean this class.
        colour: Red, green, blue, 0..255, for label maps and reports.
    """

    name: str
    ids: tuple[int, ...]
    colour: tuple[int, int, int]

    def __post_init__(self) -> None:
        if len(self.colour) != 3 or not all(0 <= value <= 255 for value in self.colour):
            raise ValueError(f"class {self.name}: colour {self.colour} is not three numbers from 0 to 255")


@dataclass(frozen=True)
class ImageTarget:
    """An image that a network predicts, in place of classes.

    Args:
        bands: Names in the order of the network's outputs.
        mean: Per band in ``unit``; the network gives ``(value - mean) / std``.
        std: Likewise.
        value_range: Smallest and largest value that occurs; PSNR and SSIM are relative to their difference.
        unit: Of the values, such as ``HU``; for people.
    """

    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    value_range: tuple[float, float]
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.bands:
            raise ValueError("a target image has at least one band; name it in data.target.bands")
        _refuse_repeated("bands of the target", self.bands)
        if not len(self.bands) == len(self.mean) == len(self.std) or min(self.std) <= 0:
            raise ValueError(
                f"the target's {len(self.bands)} band(s) need a mean and a positive std each; "
                f"given {self.mean} and {self.std}"
            )
        if not self.value_range[0] < self.value_range[1]:
            raise ValueError(f"the target's value_range {self.value_range} must go upwards")


@dataclass(frozen=True)
class DataSpec:
    """What a model needs to know of its data.

    Args:
        ndim: 2 for images, 3 for volumes.
        bands: Names in the order of the network's input channels.
        classes: What the network tells apart; none where it predicts an image.
        tile: Size the network is fed, (H, W) or (D, H, W).
        multilabel: Classes may overlap; label maps are (K, *size) of 0 and 1.
        ignore_index: Raw id in the user's masks that means "no label".
        nodata: Raw value in images that means "no data".
        spacing: Mean over the training images, per axis of the tile, in ``unit``; information only.
        unit: ``mm`` (NIfTI), ``m`` (projected raster), ``deg`` or ``px``.
        value_range: Smallest and largest raw value in the training images.
        target: The image that is predicted, for data with target images instead of masks of classes.
        resample: Spacing that images are brought to before the network sees them, per axis of the tile: mm in
            volumes, metres on the ground in images; None: each as it is.
    """

    ndim: int
    bands: tuple[str, ...]
    classes: tuple[ClassSpec, ...]
    normalisation: Normalisation
    tile: tuple[int, ...]
    multilabel: bool = False
    ignore_index: int | None = None
    nodata: float | None = None
    spacing: tuple[float, ...] | None = None
    unit: str = "px"
    value_range: tuple[float, float] | None = None
    target: ImageTarget | None = None
    resample: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.ndim not in (2, 3):
            raise ValueError(f"ndim is {self.ndim}; images are 2D or 3D")
        if len(self.tile) != self.ndim or min(self.tile) < 1:
            raise ValueError(f"tile {self.tile} must be {self.ndim} positive sizes for {self.ndim}D data")
        if self.resample is not None and (len(self.resample) != self.ndim or min(self.resample) <= 0):
            raise ValueError(
                f"spacing {self.resample} to resample to must be {self.ndim} sizes above 0 for these images"
            )
        if not self.bands or len(set(self.bands)) != len(self.bands):
            raise ValueError(f"bands {self.bands} must be at least one name, each named once")
        if self.target is not None and (self.classes or self.multilabel):
            raise ValueError("data has classes or a target image; drop data.classes and data.multilabel")
        if self.target is None and not 1 <= len(self.classes) < IGNORE:
            raise ValueError(f"{len(self.classes)} classes; a label map holds between 1 and {IGNORE - 1}")
        _refuse_repeated("class names", [c.name for c in self.classes])
        if not self.multilabel:
            _refuse_repeated("mask ids of the classes", [i for c in self.classes for i in c.ids])
        if self.unit not in UNITS:
            raise ValueError(f"unit '{self.unit}' is unknown; choose one of {', '.join(UNITS)}")
        how = self.normalisation
        wanted = {"fixed": len(how.mean), "imagenet": 3, "each": len(how.each)}.get(how.method)
        if wanted is not None and wanted != len(self.bands):
            raise ValueError(
                f"normalisation '{how.method}' is for {wanted} bands; the data has {len(self.bands)}"
            )

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what the network tells apart or predicts: classes, or bands of the target."""
        return tuple(c.name for c in self.classes) if self.target is None else self.target.bands

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON and YAML can hold."""
        values: dict[str, Any] = plain({**asdict(self), "normalisation": self.normalisation.to_dict()})
        for later in ("target", "resample"):  # runtimes that know no such thing can read the rest
            if values[later] is None:
                del values[later]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``.

        Raises:
            ValueError: If a key is unknown or missing, or a value is impossible.
        """
        return cls(**fields_of(cls, values, "data"))


@dataclass(frozen=True)
class Contract:
    """All that is needed to run an exported model on a user's file.

    Args:
        activation: ``softmax`` or ``sigmoid``; sigmoid without ``data.multilabel``: one logit, two classes;
            ``none`` where the outputs are the bands of ``data.target``.
        divisor: Sizes that are multiples of this, per axis, need no padding inside the network.
        dynamic_size: The network takes other sizes than ``data.tile``.
        overlap: Of neighbouring tiles, as a fraction of the tile.
        blend: ``gaussian``, ``linear``, ``constant`` or ``crop``: how tiles count where they overlap.
        metrics: Validation results, such as ``{"val/dice": 0.9}``.
        config: The composed Hydra config as YAML text.
        temperature: Divides the logits before they become probabilities; labels do not depend on it.
        cleaning: What is done to label maps in the end.
        quantisation: How it is computed in fewer bits than float32; None: it is not.
    """

    name: str
    data: DataSpec
    activation: str
    divisor: tuple[int, ...]
    dynamic_size: bool
    overlap: float = 0.25
    blend: str = "gaussian"
    licence: str = ""
    weights_sha256: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    config: str = ""
    quantisation: Quantisation | None = None
    temperature: float = 1.0
    cleaning: tuple[Cleaning, ...] = ()

    def __post_init__(self) -> None:
        classes = len(self.data.classes)
        if self.activation not in ("softmax", "sigmoid", "none"):
            raise ValueError(f"activation '{self.activation}' is unknown; choose softmax, sigmoid or none")
        if (self.activation == "none") != (self.data.target is not None):
            raise ValueError(
                f"activation '{self.activation}' does not go with data that has "
                f"{'classes' if self.data.target is None else 'a target image'}; "
                "none is for target images, softmax and sigmoid are for classes"
            )
        if self.activation == "softmax" and (self.data.multilabel or classes < 2):
            raise ValueError("softmax needs two or more classes that exclude each other; use sigmoid")
        if self.activation == "sigmoid" and not self.data.multilabel and classes != 2:
            raise ValueError(f"sigmoid without multilabel separates two classes; the data has {classes}")
        if len(self.divisor) != self.data.ndim or min(self.divisor) < 1:
            raise ValueError(f"divisor {self.divisor} must be {self.data.ndim} positive numbers")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature {self.temperature} must be a positive number")
        first = 0 if self.data.multilabel else 1
        if not all(first <= how.index < classes and how.smallest >= 0 for how in self.cleaning):
            raise ValueError(
                f"cleaning {self.cleaning} is for classes {first} to {classes - 1} and sizes of 0 or more"
            )
        if not 0 <= self.overlap < 1:
            raise ValueError(
                f"overlap is a fraction of the tile, at least 0 and below 1; given {self.overlap}"
            )
        if self.blend not in BLENDS:
            raise ValueError(f"blend '{self.blend}' is unknown; choose {', '.join(BLENDS)}")

    def to_json(self) -> str:
        """The contract with its schema version, as it stands in the file."""
        values = {**plain(asdict(self)), "data": self.data.to_dict()}
        if self.quantisation is None:  # runtimes that know no quantisation can read the rest
            del values["quantisation"]
        if self.temperature == 1:
            del values["temperature"]
        if not self.cleaning:
            del values["cleaning"]
        return json.dumps({"schema": SCHEMA_VERSION, **values})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of ``to_json``.

        Raises:
            ValueError: If the text is no contract, or one of another schema version.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"the contract is not JSON ({error})") from error
        if not isinstance(values, dict) or "schema" not in values:
            raise ValueError("the contract has no schema version; export the model again with unetzoo")
        schema = values.pop("schema")
        if schema != SCHEMA_VERSION:
            raise ValueError(
                f"the contract has schema version {schema} but this version reads {SCHEMA_VERSION}; "
                "install the unetzoo release that wrote the file, or export the model again"
            )
        return cls(**fields_of(cls, values, "contract"))


def _refuse_repeated(what: str, values: Sequence[object]) -> None:
    repeated = sorted({str(value) for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{what} must differ; {', '.join(repeated)} is given more than once")
