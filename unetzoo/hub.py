"""Share models, as a folder with safetensors and config or on a hub, and load whatever we wrote."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from torch import Tensor, nn

from unetzoo.inference.cleaning import Cleaning
from unetzoo.inference.contract import DataSpec
from unetzoo.safe import check_targets

if TYPE_CHECKING:
    from unetzoo.network import SegmentationNetwork

__all__ = ["HubMixin", "Saved", "from_pretrained", "load", "read", "store"]

_WEIGHTS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"


class HubMixin:
    """``save_pretrained``, ``push_to_hub`` and ``from_pretrained`` for models built by name.

    Attributes:
        config: The model's part of the composed config, or ``None`` for a model put together by hand.
        data: What the model was trained on, or ``None``.
        run_config: The whole composed config of the training run as YAML, or empty.
        metrics: Validation measures of the checkpoint the weights came from.
        temperature: Divides the logits before they become probabilities, see ``unetzoo calibrate``.
        cleaning: What is done to label maps, likewise.
    """

    config: dict[str, Any] | None = None
    data: DataSpec | None = None
    run_config: str = ""
    metrics: Mapping[str, float]
    temperature: float = 1.0
    cleaning: tuple[Cleaning, ...] = ()

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write ``model.safetensors``, ``config.json`` and a model card into a folder.

        Raises:
            ValueError: If the model was put together by hand, so that no config can rebuild it.
        """
        from safetensors.torch import save_model

        assert isinstance(self, nn.Module)
        if self.config is None:
            raise ValueError(
                "this model was not built by create_model, so no config can rebuild it; save its state_dict"
            )
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "library_name": "unetzoo",
            "model": self.config,
            "data": self.data.to_dict() if self.data else None,
            "run_config": self.run_config,
            "metrics": dict(getattr(self, "metrics", {})),
            "temperature": self.temperature,
            "cleaning": [asdict(how) for how in self.cleaning],
        }
        temporary = folder / f".{uuid4().hex}"
        try:
            save_model(self, os.fspath(temporary))
            os.replace(temporary, folder / _WEIGHTS)
            for name, text in ((_CONFIG, json.dumps(config, indent=2)), (_CARD, self._card())):
                temporary.write_text(text)
                os.replace(temporary, folder / name)
        finally:
            temporary.unlink(missing_ok=True)
        return folder

    def push_to_hub(self, repo_id: str, *, private: bool = False, commit_message: str = "Add model") -> str:
        """Upload what `save_pretrained` writes; returns the repository's address.

        Raises:
            ConnectionError: If the hub cannot be reached or refuses.
        """
        from tempfile import TemporaryDirectory

        from huggingface_hub import HfApi

        api = HfApi()
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            try:
                api.create_repo(repo_id, private=private, exist_ok=True)
                api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=commit_message)
            except Exception as error:  # the hub's client raises its own kinds for each layer
                raise ConnectionError(
                    f"{repo_id} could not be uploaded ({_line(error)}); save_pretrained works offline"
                ) from error
        return f"{api.endpoint}/{repo_id}"

    def _card(self) -> str:
        lines = [
            "---",
            "library_name: unetzoo",
            f"pipeline_tag: {'image-to-image' if self.data and self.data.target else 'image-segmentation'}",
            "---",
            "",
            "# A unetzoo model",
            "",
        ]
        if self.data:
            lines += [
                f"- Bands: {', '.join(self.data.bands)}",
                f"- {'Predicts' if self.data.target else 'Classes'}: {', '.join(self.data.outputs)}",
                f"- Normalisation: {self.data.normalisation.words}",
            ]
        lines += [
            f"- {name}: {value:.4f} (validation)" for name, value in getattr(self, "metrics", {}).items()
        ]
        lines += ["", "```python", "import unetzoo", 'model = unetzoo.load("this folder")', "```", ""]
        return "\n".join(lines)


@dataclass(frozen=True)
class Saved:
    """What a checkpoint or folder holds, before anything of it is run."""

    path: Path
    model: dict[str, Any]
    weights: Mapping[str, Tensor]
    data: DataSpec | None
    run_config: str
    metrics: Mapping[str, float]
    temperature: float = 1.0
    cleaning: tuple[Cleaning, ...] = ()


def read(path: str | Path) -> Saved:
    """Read a training checkpoint or a folder of `save_pretrained`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not one of ours, damaged, or its config would call foreign code.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint or model folder")
    saved = _read_folder(path) if path.is_dir() else _read_checkpoint(path)
    check_targets(saved.model, path.name)
    return saved


def load(path: str | Path) -> "SegmentationNetwork":
    """Load a trained model, ready to predict: a ``.ckpt`` of a run, or a folder of ``save_pretrained``.

    Nothing but the file is needed, and nothing is downloaded.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not one of ours, damaged, or its config would call foreign code.
    """
    from unetzoo.zoo import build

    saved = read(path)
    model = build(_without_downloads(saved.model))
    try:
        model.load_state_dict(dict(saved.weights), strict=True)
    except RuntimeError as error:
        # the first line names the class, the next the first tensor
        reason = " ".join(line.strip() for line in str(error).splitlines()[1:2])
        raise ValueError(
            f"{saved.path.name}: its weights do not fit its config ({reason[:200]}); "
            "it was written by another version or edited"
        ) from error
    model.data, model.run_config, model.metrics = saved.data, saved.run_config, saved.metrics
    model.temperature, model.cleaning = saved.temperature, saved.cleaning
    return model.eval()


def from_pretrained(name: str | Path) -> "SegmentationNetwork":
    """Load from a folder, or download ``user/repository`` from a hub.

    Raises:
        ConnectionError: If it is no folder and cannot be downloaded.
        ValueError: As `load`.
    """
    if Path(name).exists():
        return load(name)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(name)):
        raise FileNotFoundError(f"{name}: neither a folder here nor a repository name like user/model")
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(str(name), allow_patterns=[_WEIGHTS, _CONFIG])
    except Exception as error:  # the hub's client raises its own kinds for each layer
        raise ConnectionError(
            f"{name} could not be downloaded ({_line(error)}); copy the folder here and give its path"
        ) from error
    return load(folder)


def store(path: Path, *, temperature: float, cleaning: Sequence[Cleaning]) -> None:
    """Write what was found on val into a checkpoint or a folder of `save_pretrained`; all else stays."""
    import torch

    from unetzoo.checkpoints import atomic, read_checkpoint

    found = {"temperature": temperature, "cleaning": [asdict(how) for how in cleaning]}
    if path.is_dir():
        text = (path / _CONFIG).read_text()
        with atomic(path / _CONFIG) as file:
            file.write(json.dumps({**json.loads(text), **found}, indent=2).encode())
    else:
        checkpoint = read_checkpoint(path)
        checkpoint["unetzoo"] |= found
        with atomic(path) as file:
            torch.save(checkpoint, file)


def _found(values: Mapping[str, Any]) -> tuple[float, tuple[Cleaning, ...]]:
    """Temperature and cleaning, as `store` has written them, if it has."""
    cleaning = tuple(Cleaning(**how) for how in values.get("cleaning", ()))
    return float(values.get("temperature", 1.0)), cleaning


def _read_folder(path: Path) -> Saved:
    from safetensors.torch import load_file

    try:
        config = json.loads((path / _CONFIG).read_text())
        data = DataSpec.from_dict(config["data"]) if config["data"] else None
        model, run_config, metrics = config["model"], config["run_config"], config["metrics"]
        found = _found(config)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path}: the folder has no {_CONFIG}; it was not written by save_pretrained"
        ) from error
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path / _CONFIG}: not a unetzoo config ({_line(error)})") from error
    try:
        weights = load_file(path / _WEIGHTS)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: the folder has no {_WEIGHTS}") from error
    except Exception as error:  # safetensors has one error type of its own, not exported
        raise ValueError(f"{path / _WEIGHTS}: cannot be read as safetensors ({_line(error)})") from error
    return Saved(path, model, weights, data, run_config, metrics, *found)


def _read_checkpoint(path: Path) -> Saved:
    from omegaconf import OmegaConf

    from unetzoo.checkpoints import read_checkpoint

    checkpoint = read_checkpoint(path)
    ours = checkpoint["unetzoo"]
    config = OmegaConf.to_container(OmegaConf.create(ours["config"]))
    assert isinstance(config, dict)
    prefix = "model."
    weights = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
    spec = DataSpec.from_dict(json.loads(ours["data"]))
    return Saved(path, config["model"], weights, spec, ours["config"], ours["metrics"], *_found(ours))


def _without_downloads(config: dict[str, Any]) -> dict[str, Any]:
    """The same model, its encoder not asking for weights that are about to be overwritten."""
    # parts of parts too: a pruned network holds the whole one's config, a cascade those of its members
    return {
        key: _without_downloads(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if not (key in ("pretrained", "weights") and "name" in config)
    }


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
