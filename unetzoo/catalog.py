"""What the zoo holds, with facts that are measured on the built network rather than told."""

import inspect
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from unetzoo.configs import ROOT

__all__ = ["SIZES", "Facts", "Header", "header", "model_facts", "short", "skip_facts"]

SIZES = {2: (256, 256), 3: (64, 64, 64)}
"""Image size that operations are counted at, by dimension."""


class Header(NamedTuple):
    """The comment at the top of a part's YAML.

    Attributes:
        what: What it does, in one line.
        command: How to run it.
        source: Paper and equation.
        reference: Whose reference code there is and under which licence; none is copied.
        fidelity: faithful, or a reconstruction and what is known.
        limits: Why something is refused, or empty.
    """

    what: str
    command: str
    source: str = ""
    reference: str = ""
    fidelity: str = ""
    limits: str = ""


class Facts(NamedTuple):
    """What was found on the built network.

    Attributes:
        ndims: Dimensions it is for.
        parameters: Of the pathway, or of the whole model.
        macs: Multiply-adds of convolutions and matrix products for one image: of the whole model, or what the
            pathway adds to the plain skip.
        size: Of that image: `SIZES`, or the only one that the network takes.
        identity: The plain skip it equals before training, and the switch that makes it so, if there is one.
        dynamic: Whether an exported file takes any image size.
        flow: For each row but the bottleneck, the encoder rows that its skip depends on; empty for a model.
        acts: For each such row, whether the skip is anything but the encoder's row itself.
        merges: Whether it has a merge of its own.
    """

    ndims: tuple[int, ...]
    parameters: int
    macs: int
    size: tuple[int, ...]
    identity: str | None
    dynamic: bool
    flow: tuple[tuple[int, ...], ...] = ()
    acts: tuple[bool, ...] = ()
    merges: bool = False


_LABELS = {"Source": "source", "Reference code": "reference", "Fidelity": "fidelity", "Limits": "limits"}


def header(group: str, name: str) -> Header:
    """Read the header of ``configs/<group>/<name>.yaml``."""
    found: dict[str, str] = {}
    for line in (ROOT / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        label = re.match(r"# ([A-Z][a-z ]+): (.+)", line)
        if label and label[1] in _LABELS:
            found[_LABELS[label[1]]] = label[2]
        elif line.startswith("#   "):
            found.setdefault("command", line[1:].strip())
        else:
            found.setdefault("what", line[1:].strip())
    return Header(**({"what": "", "command": ""} | found))


def skip_facts(name: str) -> Facts:
    """A pathway between the conv encoder and the conv decoder at their default widths."""
    model = _with_skip(name)
    plain = _create(encoder=f"conv{model.ndim}d", skip="concat")
    flow, acts = _flow(name, model)
    return Facts(
        ndims=model.skip.ndims,
        parameters=_count(model.skip),
        macs=_macs(model) - _macs(plain),
        size=_size(model),
        identity=_identity(model.skip),
        dynamic=not model.fixed_size_parts,
        flow=flow,
        acts=acts,
        merges=model.skip.merges_itself,
    )


def model_facts(name: str) -> Facts:
    """A named model for three bands, one in 3D, and two classes."""
    model = _create(model=name)
    if model.ndim == 3:
        model = _create(model=name, in_channels=1)
    return Facts(
        ndims=(model.ndim,),
        parameters=_count(model),
        macs=_macs(model),
        size=_size(model),
        identity=None,
        dynamic=not model.fixed_size_parts,
    )


def short(number: float) -> str:
    """1,061,248 to 1.06 M."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def _create(**choices: Any) -> Any:
    """A model without memory for its weights."""
    import torch

    from unetzoo.zoo import create_model

    with torch.device("meta"):
        return create_model(**choices)


def _with_skip(skip: str) -> Any:
    """A model with the pathway, in 2D unless it is for 3D alone."""
    try:
        return _create(encoder="conv2d", skip=skip)
    except ValueError:
        return _create(encoder="conv3d", skip=skip)


def _identity(pathway: Any) -> str | None:
    switched = "identity_init" in inspect.signature(type(pathway).__init__).parameters
    suffix = " with identity_init=true" if switched else ""
    return f"{pathway.identity}{suffix}" if pathway.identity else None


def _count(module: Any) -> int:
    return sum(p.numel() for p in module.parameters())


def _size(model: Any) -> tuple[int, ...]:
    own = getattr(getattr(model, "encoder", None), "patch", None)
    return tuple(own or SIZES[model.ndim])


def _macs(model: Any) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.empty(1, model.in_channels, *_size(model), device="meta"))
    return int(counter.get_total_flops() // 2)


def _flow(skip: str, model: Any) -> tuple[tuple[tuple[int, ...], ...], tuple[bool, ...]]:
    """Which encoder rows each skip depends on, found by differentiating, and whether it is changed at all."""
    import torch

    from unetzoo.zoo import create_model

    torch.manual_seed(0)
    pathway: Any = create_model(encoder=f"conv{model.ndim}d", skip=skip).skip.eval()
    with torch.no_grad():  # what starts as the identity would hide its connections
        for parameter in pathway.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    size = 2 * max(model.divisor)
    features = [
        torch.randn(1, row.channels, *(size // s for s in row.stride), requires_grad=True)
        for row in model.encoder.levels
    ]
    rows = pathway(features)[:-1]
    acts = tuple(
        row.shape != f.shape or not torch.equal(row, f) for row, f in zip(rows, features, strict=False)
    )
    return tuple(_sources(row, features) for row in rows), acts


def _sources(row: Any, features: Sequence[Any]) -> tuple[int, ...]:
    import torch

    grads = torch.autograd.grad(row.square().sum(), features, retain_graph=True, allow_unused=True)
    return tuple(i for i, grad in enumerate(grads) if grad is not None and bool(grad.any()))
