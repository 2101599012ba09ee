"""Build models by name: the config tree from Python."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatch
from typing import Any, cast

from torch import nn

from unetzoo.configs import ROOT
from unetzoo.network import SegmentationNetwork
from unetzoo.part_choice import encoder_place, taken_back
from unetzoo.unet import UNet

__all__ = [
    "build",
    "create_model",
    "list_decoders",
    "list_encoders",
    "list_heads",
    "list_models",
    "list_skips",
]


def _listing(group: str, pattern: str) -> list[str]:
    return sorted(p.stem for p in (ROOT / group).glob("*.yaml") if fnmatch(p.stem, pattern))


def list_models(pattern: str = "*") -> list[str]:
    """Named models, filtered by a wildcard."""
    return _listing("model", pattern)


def list_encoders(pattern: str = "*") -> list[str]:
    """Encoders of the config tree and all of timm's names, filtered by a wildcard."""
    import timm

    return sorted({*_listing("model/encoder", pattern), *timm.list_models(pattern)})


def list_skips(pattern: str = "*") -> list[str]:
    """Skip pathways, filtered by a wildcard."""
    return _listing("model/skip", pattern)


def list_decoders(pattern: str = "*") -> list[str]:
    """Decoders, filtered by a wildcard."""
    return _listing("model/decoder", pattern)


def list_heads(pattern: str = "*") -> list[str]:
    """Heads, filtered by a wildcard."""
    return _listing("model/head", pattern)


def create_model(
    model: str = "unet",
    *,
    encoder: str | None = None,
    skip: str | Sequence[str] | None = None,
    decoder: str | None = None,
    head: str | None = None,
    in_channels: int = 3,
    num_classes: int = 2,
    pretrained: bool = False,
    overrides: Mapping[str, Any] | None = None,
    encoder_name: str | None = None,
    encoder_weights: str | None = None,
    classes: int | None = None,
) -> UNet:
    """Build a model from named parts.

    Args:
        model: A named model (`list_models`).
        encoder: One of the config tree's encoders or any hierarchical timm backbone (`list_encoders`).
        skip: A skip pathway (`list_skips`), or several, which are chained; only the last may merge.
        decoder: A decoder (`list_decoders`).
        head: multiclass | multilabel | binary (`list_heads`).
        in_channels: Bands of the image.
        num_classes: Classes, background included; the binary head's single logit counts as two.
        pretrained: Download timm's weights for the encoder.
        overrides: Any key of the model's config,
            ``{"encoder.channels": [16, 32, 64], "decoder.up": "linear"}``.
        encoder_name: ``encoder``, under the name that segmentation_models.pytorch gives it.
        encoder_weights: Likewise; anything but ``None`` means ``pretrained=True``.
        classes: Likewise ``num_classes``; 1 means one logit, which is the binary head here.

    Raises:
        ValueError: If there is no such part or key, or parts do not go together.

    >>> create_model("unet", encoder="resnet34", skip=["nested", "attention_gate"], in_channels=4, classes=3)
    """
    encoder = encoder or encoder_name
    if classes is not None:
        num_classes, head = (2, head or "binary") if classes == 1 else (classes, head)
    choices = [f"+model={_known(model, list_models(), 'model')}"]
    values: dict[str, Any] = {"in_channels": in_channels, "num_classes": num_classes}
    if encoder is not None:
        place = encoder_place(model)
        group = "model/encoder" if place == "encoder" else f"model/encoder@model.{place}"
        if encoder in _listing("model/encoder", "*"):
            choices.append(f"{group}={encoder}")
        else:
            choices.append(f"{group}=timm")
            _known(encoder.split(".")[0], list_encoders(), "encoder")  # after the dot timm names the weights
            values[f"{place}.name"] = encoder
    if isinstance(skip, str):
        choices.append(f"model/skip={_known(skip, list_skips(), 'skip')}")
    if decoder is not None:
        choices.append(f"model/decoder={_known(decoder, list_decoders(), 'decoder')}")
    if head is not None:
        choices.append(f"model/head={_known(head, list_heads(), 'head')}")
    config = _compose([*choices, *taken_back(choices)])
    if pretrained or encoder_weights:
        path, part = "encoder", config["encoder"]
        while "pretrained" not in part and "encoder" in part:  # an encoder around another
            path, part = f"{path}.encoder", part["encoder"]
        if "pretrained" not in part:
            raise ValueError(
                f"encoder {encoder or config['encoder']['_target_']} has no pretrained weights; "
                "choose a timm backbone or pretrained=False"
            )
        values[f"{path}.pretrained"] = True
    if skip is not None and not isinstance(skip, str):
        parts = {
            name: _compose([f"+model/skip={_known(name, list_skips(), 'skip')}"])["skip"] for name in skip
        }
        config["skip"] = {"_target_": "unetzoo.skips.Chain", "_partial_": True, "steps": parts}
    for key, value in {**values, **(overrides or {})}.items():
        _set(config, key, value)
    # the few networks made of several lack a UNet's parts, and share all else
    return cast(UNet, build(config))


def build(config: Mapping[str, Any]) -> SegmentationNetwork:
    """Instantiate a model's config and keep the config with the model, for `save_pretrained` and export.

    Raises:
        ValueError: If parts do not go together, in the words of the part that refuses.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    if not OmegaConf.is_config(config):
        # parts may refer to each other, ${model.num_classes}, as in the whole config
        config = OmegaConf.create({"model": dict(config)}).model
    resolved = OmegaConf.to_container(config, resolve=True)
    assert isinstance(resolved, Mapping)
    plain = {str(key): value for key, value in resolved.items()}
    try:
        # plain lists and dicts for the parts: backbones do not take OmegaConf's
        model = instantiate(plain, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, ValueError | OSError | ImportError):
            raise cause from None
        raise ValueError(f"model: {str(cause or error).strip().splitlines()[0]}") from error
    # a user's own network is welcome to be trained, if it has the attributes of a SegmentationNetwork
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"the model's config builds {type(model).__name__}, not a network; give it a _target_"
        )
    network = cast(SegmentationNetwork, model)
    network.config = plain
    return network


def _compose(choices: list[str]) -> dict[str, Any]:
    from hydra import compose, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    # whoever calls may be a Hydra application itself, of which there is one at a time
    state = GlobalHydra.instance()
    around = state.hydra
    state.clear()
    try:
        with initialize_config_module("unetzoo.configs", version_base="1.3"):
            config = OmegaConf.to_container(compose(overrides=choices).model)
    finally:
        state.hydra = around
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def _known(name: str, names: Sequence[str], what: str) -> str:
    if name not in names:
        near = get_close_matches(name, names, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(names[:20])}"
        raise ValueError(f"there is no {what} named {name!r}; {hint}")
    return name


def _set(config: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    node = config
    for part in path:
        if not isinstance(node.get(part), dict):
            raise ValueError(
                f"override {key!r}: the model's config has no {part!r}; its keys are {', '.join(node)}"
            )
        node = node[part]
    node[last] = value
