"""What an exported file says of the numbers it is computed in."""

from dataclasses import dataclass

PRECISIONS = ("int8", "bf16")


@dataclass(frozen=True)
class Quantisation:
    """Numbers shorter than float32, and what they cost when the file was written.

    Args:
        precision: ``int8``: weights and activations stand in the graph as 8-bit numbers, between
            QuantizeLinear and DequantizeLinear. ``bf16``: the file holds float32, and a back end may round to
            bfloat16.
        dice_before: Mean Dice over the val cases in float32, 0..1.
        dice_after: Likewise in ``precision``, of the back end that was worse.
        drop: 95 % interval of the difference between the two, over the cases' groups; None with fewer than
            two.
        cases: Val cases that were measured.
        patches: Training patches that the ranges of the activations were taken from; 0 for ``bf16``.
        left_out: Names of the layers that stay in float32, the most sensitive first.
    """

    precision: str
    dice_before: float
    dice_after: float
    drop: tuple[float, float] | None
    cases: int
    patches: int = 0
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision '{self.precision}' is unknown; choose {', '.join(PRECISIONS)}")
