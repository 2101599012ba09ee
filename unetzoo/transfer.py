"""Start from another network's weights, and keep parts of a network as they are."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from torch import nn

from unetzoo.hub import read

__all__ = ["freeze", "start_from"]


def start_from(model: nn.Module, path: str | Path, *, fresh: Sequence[str] = ()) -> str:
    """Take over the weights of a trained network, where this one may have more to it.

    What a part (encoder, skip, decoder, heads ...) has beyond the other network's, or the other way round,
    stays as it is made or is left out; a part that differs is refused. So a trained U-Net gets a new skip
    pathway, deep supervision or auxiliary objectives.

    Args:
        path: A checkpoint of a run, or a folder of ``save_pretrained``.
        fresh: Parts that do not take weights, by their names: heads, where the classes are others.

    Returns:
        One line that says what was taken, what is new and what was left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not one of ours or damaged, or a part of it is not of this model's kind.
    """
    _known(model, fresh, "fresh")
    saved, own = read(path), model.state_dict()
    theirs = {key: value for key, value in saved.weights.items() if not _within(key, fresh)}
    taken = {key: value for key, value in theirs.items() if key in own}
    new = [key for key in own if key not in taken]
    missing = [key for key in new if not _within(key, fresh)]
    lost = [key for key in theirs if key not in own]
    for part in dict.fromkeys(map(_part, own)):
        more, less = ([key for key in keys if _part(key) == part] for keys in (missing, lost))
        if more and less:
            raise ValueError(
                f"{path}: its {part} is of another kind, with {less[0]} and without {more[0]}; choose "
                f"the parts it was trained with, or fresh=[{part}]"
            )
    for key, value in taken.items():
        if value.shape != own[key].shape:
            raise ValueError(
                f"{path}: its {key} is {tuple(value.shape)} and this model's {tuple(own[key].shape)}; choose "
                f"the options it was trained with, or fresh=[{_part(key)}]"
            )
    if not taken:
        raise ValueError(f"{path}: has no weights for this model; choose the model it was trained with")
    model.load_state_dict(taken, strict=False)
    line = f"{path}: {len(taken)} of {len(own)} tensors taken over"
    for word, keys in (("new", new), ("left out", lost)):
        if keys:
            line += f"; {word}: {', '.join(dict.fromkeys('.'.join(key.split('.')[:2]) for key in keys))}"
    return line


def freeze(model: nn.Module, parts: Sequence[str]) -> list[nn.Module]:
    """Keep parts of a network as they are: no gradients for their weights.

    Their norms and dropout are fixed too only in eval mode, into which whoever trains has to put them.

    Args:
        parts: Names of submodules: encoder, decoder, skip.adapters.

    Returns:
        The parts.

    Raises:
        ValueError: If there is no such part, or nothing is left to train.
    """
    _known(model, parts, "task.freeze")
    frozen = [model.get_submodule(name) for name in parts]
    for part in frozen:
        part.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(f"task.freeze={[*parts]} leaves nothing to train; free a part")
    return frozen


def _known(model: nn.Module, names: Iterable[str], key: str) -> None:
    """Refuse names that are no parts of the model."""
    modules = dict(model.named_modules())
    for name in names:
        if not name or name not in modules:
            parts = [
                child for child, module in model.named_children() if any(True for _ in module.parameters())
            ]
            raise ValueError(
                f"{key} lists {name!r}, which this model lacks; its parts are {', '.join(parts)}"
            )


def _part(key: str) -> str:
    return key.partition(".")[0]


def _within(key: str, parts: Iterable[str]) -> bool:
    return any(key.startswith(f"{part}.") for part in parts)
