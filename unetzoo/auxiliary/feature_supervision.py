"""Holding decoder features to those of a network that knows the mask."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.auxiliary.base import Auxiliary
from unetzoo.inference.contract import IGNORE
from unetzoo.levels import Level

if TYPE_CHECKING:
    from unetzoo.composites import MaskEncoder

__all__ = ["FeatureSupervision"]

_DISTANCES = {"mse": F.mse_loss, "mae": F.l1_loss, "smooth_l1": F.smooth_l1_loss}


class FeatureSupervision(Auxiliary):
    """Make each decoder row look like that of a trained, frozen encoder of the mask.

    The second stage of IS-Net (Qin et al. 2022, arXiv:2203.03041, eq. 3): the mean squared difference, and
    its mean over rows, as deep supervision takes the mean over heads; the paper sums both. The first stage
    trains the teacher, a `unetzoo.composites.MaskEncoder`, whose rows must have the decoder's widths and
    strides. The teacher is read from its checkpoint when training begins and is no part of this module, so
    that it is neither saved with the network nor needed to load it.

    Args:
        teacher: Checkpoint of the teacher.
        distance: mse | mae | smooth_l1.
        weight: Factor of the loss beside the main one.

    Raises:
        ValueError: If no teacher is given.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        num_classes: int,
        *,
        teacher: str | Path | None,
        distance: Literal["mse", "mae", "smooth_l1"] = "mse",
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight=weight)
        if teacher is None:
            raise ValueError(
                "feature supervision needs a trained teacher; train one, unetzoo train model=is_net_teacher, "
                "and give its checkpoint as model.auxiliary.feature_supervision.teacher"
            )
        if distance not in _DISTANCES:
            raise ValueError(f"distance {distance!r} is unknown; choose {', '.join(_DISTANCES)}")
        self.path, self.distance = Path(teacher), _DISTANCES[distance]
        self.levels = list(levels)
        # in a list, which hides it from parameters, state_dict and train()
        self._teacher: list[MaskEncoder] = []

    def teacher(self, device: torch.device) -> "MaskEncoder":
        """The teacher, read when first asked for.

        Raises:
            FileNotFoundError: If its checkpoint is not there.
            ValueError: If it is no mask encoder, or its rows are not the decoder's.
        """
        if not self._teacher:
            self._teacher.append(_load(self.path, self.levels))
        return self._teacher[0].to(device)

    def forward(self, decoded: list[Tensor], target: Tensor) -> Tensor:
        """Decoder outputs and target to a scalar; a feature pixel counts by the labelled part of its area."""
        teacher = self.teacher(target.device)
        size = [n * s for n, s in zip(decoded[-1].shape[2:], self.levels[0].stride, strict=True)]
        known = target != IGNORE
        labelled = (known.all(1) if target.dim() == decoded[0].dim() else known).unsqueeze(1).float()
        labelled = _pad(labelled, size)
        with torch.no_grad():
            wanted = teacher.features(_pad(teacher.shown(decoded[0], target), size))
        losses: list[Tensor] = []
        for row, truth in zip(reversed(decoded), wanted, strict=True):
            share = F.interpolate(labelled, size=row.shape[2:], mode="area")
            values = self.distance(row.float(), truth.float(), reduction="none").mean(1, keepdim=True)
            losses.append((values * share).sum() / share.sum().clamp(min=torch.finfo(share.dtype).tiny))
        return torch.stack(losses).mean()


def _pad(x: Tensor, size: Sequence[int]) -> Tensor:
    """Repeat the border at the far ends, as the network pads its image."""
    missing = [wanted - have for wanted, have in zip(size, x.shape[2:], strict=True)]
    return F.pad(x, [p for m in reversed(missing) for p in (0, m)], mode="replicate")


def _load(path: Path, levels: list[Level]) -> "MaskEncoder":
    from unetzoo.composites import MaskEncoder
    from unetzoo.hub import load

    teacher = load(path)
    if not isinstance(teacher, MaskEncoder):
        raise ValueError(
            f"{path}: holds a {type(teacher).__name__}, which is no teacher of feature supervision; "
            "train one with unetzoo train model=is_net_teacher"
        )
    if teacher.encoder.levels != levels:
        theirs, ours = ([(c, max(s)) for c, s in rows] for rows in (teacher.encoder.levels, levels))
        raise ValueError(
            f"{path}: the teacher's rows (width, stride) {theirs} are not the decoder's {ours}; "
            "give one of them the other's"
        )
    return teacher.requires_grad_(False)
