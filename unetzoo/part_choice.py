"""A named model with another part than its own: what it says about that part must not reach the other one."""

import inspect
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from unetzoo.configs import ROOT

__all__ = ["encoder_place", "taken_back"]

PARTS = ("encoder", "skip", "decoder", "head")


def taken_back(words: Sequence[str]) -> list[str]:
    """Overrides that delete what the chosen model sets for a part and the part chosen instead does not know.

    ``model=unet_3plus model/encoder=resnet34`` keeps UNet 3+'s widths from resnet34, which has none to set:
    ``~model.encoder.channels``. Settings that the other part knows stay, and so does what is given by hand.

    Args:
        words: Hydra overrides; the model is named by ``model=``, or by the experiment.
    """
    model = _model(words)
    found: list[str] = []
    for part in PARTS:
        choice = _value(words, f"model/{part}")
        if choice is None or model is None or "," in choice or choice == _own(model, part):
            continue
        given = {m[1] for w in words if (m := re.match(rf"[+~]*model\.{part}\.(\w+)", w))}
        known = _accepted(part, choice)
        if known is not None:
            for key, value in _settings(model, part).items():
                if key not in known | given:
                    # set first, because Hydra does not find a key to delete where it is null
                    found += [f"++model.{part}.{key}=none"] if value is None else []
                    found.append(f"~model.{part}.{key}")
    return found


def encoder_place(model: str) -> str:
    """Where the encoder stands in a model's config: ``encoder``, or within one that wraps another."""
    for file in _lineage(model):
        for entry in file.get("defaults", []):
            for key in entry if isinstance(entry, dict) else ():
                if key.endswith("encoder@encoder.encoder"):
                    return "encoder.encoder"
    return "encoder"


def _value(words: Sequence[str], key: str) -> str | None:
    values = [word.split("=", 1)[1] for word in words if word.lstrip("+").startswith(f"{key}=")]
    return values[-1] if values else None


def _model(words: Sequence[str]) -> str | None:
    if (given := _value(words, "model")) is not None:
        return given
    experiment = _value(words, "experiment")
    defaults = _read(f"experiment/{experiment}").get("defaults", []) if experiment else []
    return next(
        (e["override /model"] for e in defaults if isinstance(e, dict) and "override /model" in e), None
    )


@cache
def _read(name: str) -> dict[str, Any]:
    """A YAML file as it stands; {} where there is none, which composing will say."""
    from yaml import safe_load

    path = ROOT / f"{name}.yaml"
    return safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


def _lineage(model: str) -> Iterator[dict[str, Any]]:
    """The model's file, then those it builds upon."""
    file = _read(f"model/{model}")
    yield file
    for entry in file.get("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            yield from _lineage(entry)


def _own(model: str, part: str) -> str | None:
    """The option that the model itself chooses for a part."""
    for file in _lineage(model):
        for entry in file.get("defaults", []):
            for key, option in entry.items() if isinstance(entry, dict) else ():
                if key.removeprefix("override ") == part:
                    return str(option)
    return None


def _settings(model: str, part: str) -> dict[str, Any]:
    """What the model's own files set of a part, as values or as parts of it."""
    found: dict[str, Any] = {}
    for file in reversed([*_lineage(model)]):
        for entry in file.get("defaults", []):
            for key in entry if isinstance(entry, dict) else ():
                if inside := re.search(rf"@{part}\.(\w+)", key):
                    found[inside[1]] = entry
        found |= file.get(part) or {}
    return found


def _accepted(part: str, choice: str) -> set[str] | None:
    """Arguments of what the option builds; ``None`` if it takes any, or cannot be found."""
    from hydra.utils import get_object

    file, target = _read(f"model/{part}/{choice}"), None
    while target is None and file:
        target = file.get("_target_")
        parents = [
            entry for entry in file.get("defaults", []) if isinstance(entry, str) and entry != "_self_"
        ]
        file = _read(f"model/{part}/{parents[0]}") if parents else {}
    if target is None:
        return None
    parameters = inspect.signature(get_object(target)).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return set(parameters)
