"""The scan with channels first, as Mamba's package calls it."""

from typing import Any

import pytest
import torch

from unetzoo.ops import selective_scan, selective_scan_fn

scan: Any = selective_scan
other: Any = selective_scan_fn


def inputs(groups: int | None) -> dict[str, Any]:
    g = torch.Generator().manual_seed(0)
    shape = (2, 3, 9) if groups is None else (2, groups, 3, 9)
    made = {name: torch.randn(2, 4, 9, generator=g) for name in ("u", "delta", "z")}
    made |= {"A": -torch.rand(4, 3, generator=g), "D": torch.randn(4, generator=g)}
    made |= {name: torch.randn(shape, generator=g) for name in "BC"}
    return made | {"delta_bias": torch.randn(4, generator=g)}


@pytest.mark.parametrize("groups", [None, 1, 2])
def test_it_is_the_scan_of_the_transposed_sequence(groups: int | None) -> None:
    given = inputs(groups)
    turned = {name: t.movedim(-1, 1) if t.dim() > 2 else t for name, t in given.items()}
    expected = scan(**turned, delta_softplus=True).mT
    torch.testing.assert_close(other(**given, delta_softplus=True), expected)


def test_the_arguments_stand_in_the_order_of_the_package() -> None:
    given = inputs(2)
    names = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")
    positional = other(*(given[name] for name in names), True)
    torch.testing.assert_close(positional, other(**given, delta_softplus=True))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"return_last_state": True}, "return_last_state"),
        ({"A": torch.zeros(4, 3, dtype=torch.complex64)}, "only real decays"),
        ({"B": torch.zeros(4, 3)}, "B is .4, 3. and must be"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        other(**inputs(None) | change)
