"""A trained network as a MONAI bundle."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unetzoo.inference.contract import Contract
from unetzoo.network import SegmentationNetwork
from unetzoo.predictor import contract_of

__all__ = ["write_bundle"]

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)


def write_bundle(
    model: SegmentationNetwork,
    folder: str | Path,
    *,
    task: str = "",
    description: str = "",
    authors: str = "",
    licence: str = "",
) -> Path:
    """Write ``configs/metadata.json``, ``configs/inference.json`` and ``models/`` in the layout of bundles.

    ``python -m monai.bundle run --config_file configs/inference.json`` in the folder predicts files with this
    library's own reading, tiling and writing, so that results are those of ``unetzoo predict``;
    ``network_def`` and ``inferer`` are for programs that put their own around them.

    Args:
        model: Built by name, and with its data.
        task: In plain words; the other texts are likewise for people.

    Returns:
        ``folder``.

    Raises:
        ValueError: If the model does not know its data, or no config can rebuild it.
    """
    folder = Path(folder)
    contract = contract_of(model, model.data, licence=licence)
    model.save_pretrained(folder / "models")
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    texts = {"task": task or _task(contract), "description": description or f"{contract.name}, by unetzoo"}
    files = {
        "metadata": _metadata(model, contract, {**texts, "authors": authors, "copyright": licence}),
        "inference": _inference(contract),
    }
    for name, values in files.items():
        (folder / "configs" / f"{name}.json").write_text(json.dumps(values, indent=4) + "\n")
    return folder


def _metadata(model: SegmentationNetwork, contract: Contract, texts: Mapping[str, str]) -> dict[str, Any]:
    data = contract.data
    image = {
        "type": "image",
        "format": "magnitude",
        "num_channels": len(data.bands),
        "spatial_shape": list(data.tile),
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
        "channel_def": dict(enumerate(data.bands)),
    }
    count = 1 if contract.activation == "sigmoid" and not data.multilabel else len(data.outputs)
    answer = {
        **image,
        "format": "logits" if data.target is None else "magnitude",
        "num_channels": count,
        "channel_def": dict(enumerate(data.outputs[-count:])),
    }
    return {
        "schema": SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": "written by unetzoo"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch"),
        "numpy_version": version("numpy"),
        "required_packages_version": {name: version(name) for name in ("unetzoo", "timm")},
        **texts,
        "eval_metrics": dict(getattr(model, "metrics", {})),
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": answer}},
    }


def _inference(contract: Contract) -> dict[str, Any]:
    mode = "gaussian" if contract.blend == "gaussian" else "constant"
    return {
        "imports": ["$import unetzoo"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "inputs": [],
        "device": "cpu",
        "network_def": "$unetzoo.load(@bundle_root + '/models')",
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": list(contract.data.tile),
            "overlap": contract.overlap,
            "mode": mode,
        },
        "predictor": "$unetzoo.Predictor(@network_def, device=@device)",
        "run": ["$@predictor.predict_files(@inputs, @output_dir)"],
    }


def _task(contract: Contract) -> str:
    kind = "Segmentation" if contract.data.target is None else "Synthesis"
    return f"{kind} of {contract.data.ndim}D images"
