"""Several pathways one after the other."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from unetzoo.levels import Gate, Level
from unetzoo.skips.base import SkipPathway

__all__ = ["Chain"]


class Chain(SkipPathway):
    """Run pathways in order; the last one merges.

    Args:
        steps: What builds each pathway from encoder and decoder rows, in order; the names are yours.

    Raises:
        ValueError: If there are no steps, or one before the last brings a merge of its own.
    """

    def __init__(
        self,
        encoder: Sequence[Level],
        decoder: Sequence[Gate],
        *,
        steps: Mapping[str, Callable[..., SkipPathway]],
    ) -> None:
        if not steps:
            raise ValueError("a chain needs at least one skip pathway, got none; list them under skip.steps")
        pathways: list[SkipPathway] = []
        for step in steps.values():
            pathways.append(step(pathways[-1].levels if pathways else encoder, decoder))
        early = [type(p).__name__ for p in pathways[:-1] if p.merges_itself]
        if early:
            raise ValueError(
                f"{early[0]} merges with the decoder and is not the last of the chain "
                f"({', '.join(type(p).__name__ for p in pathways)}); keep one merging pathway and put it last"
            )
        last = pathways[-1]
        super().__init__(encoder, decoder, levels=last.levels)
        self.merges_itself = last.merges_itself
        self.needs_side_heads = any(p.needs_side_heads for p in pathways)
        # the merges move here, or their weights would be listed twice
        self.merges, last.merges = last.merges, nn.ModuleList()
        self.steps = nn.ModuleList(pathways)
        # side outputs are read from row 0 of what leaves the chain, so it must still have its maker's width
        with_sides = [k for k, p in enumerate(pathways) if p.side_levels and p.levels[0] == last.levels[0]]
        self.side_step = with_sides[-1] if with_sides else None
        self.side_levels = [] if self.side_step is None else pathways[self.side_step].side_levels

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """One tensor per row through every step."""
        for step in self.steps:
            features = step(features)
        return features

    def side_outputs(self, skips: list[Tensor]) -> list[Tensor]:
        """Those of the last step that has any."""
        if self.side_step is None:
            return []
        step = self.steps[self.side_step]
        assert isinstance(step, SkipPathway)
        return step.side_outputs(skips)
