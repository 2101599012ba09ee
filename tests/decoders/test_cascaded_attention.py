from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo import create_model
from unetzoo.blocks import MultiScaleDepthwise
from unetzoo.levels import Gate, Level
from unetzoo.skips import NormedAttentionGate


def emcad(encoder: str = "pvt_v2_b2", **overrides: Any) -> Any:
    with torch.device("meta"):
        return create_model("emcad", encoder=encoder, overrides=overrides)


@pytest.mark.parametrize(
    ("encoder", "expansion", "expected"),
    [("pvt_v2_b2", 2, 1_913_515), ("pvt_v2_b2", 6, 5_169_835), ("pvt_v2_b0", 2, 506_507)],
)
def test_decoder_and_skip_have_the_papers_size(
    encoder: str, expansion: int, expected: int, count: Callable[[nn.Module], int]
) -> None:
    model = emcad(encoder, **{"decoder.expansion": expansion})
    assert count(model.decoder) + count(model.skip) == expected


def test_the_gates_have_the_papers_size(count: Callable[[nn.Module], int]) -> None:
    assert [count(merge) for merge in emcad().skip.merges] == [1_379, 2_755, 6_883]


def test_the_sum_over_kernels_is_dealt_out_in_turn() -> None:
    torch.manual_seed(0)
    block = MultiScaleDepthwise(2, 3, 3, expansion=2, sizes=[1, 3]).double().eval()
    seen: list[torch.Tensor] = []
    block.narrow.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 3, 5, 4, dtype=torch.float64)
    block(x)
    wide = block.widen(x)
    total = block.scales[0](wide) + block.scales[1](wide)
    torch.testing.assert_close(seen[0], total[:, [0, 2, 4, 1, 3, 5]])


def test_a_grouped_gate_decides_from_a_share_of_the_channels_and_adds() -> None:
    torch.manual_seed(0)
    rows = [Level(4, (1, 1)), Level(8, (2, 2))]
    gates = [Gate(4, (1, 1), rows[1])]
    merge: Any = NormedAttentionGate(rows, gates, size=3, grouped=True, join="add").merges[0].eval()
    assert merge.w_x[0].weight.shape == (2, 2, 3, 3)
    skip, gate = torch.randn(2, 2, 4, 6, 5)
    torch.testing.assert_close(merge(skip, gate, gate), gate + skip * merge.attention(skip, gate))


def test_an_unknown_join_is_refused() -> None:
    with pytest.raises(ValueError, match="choose concat or add"):
        NormedAttentionGate([], [], join="mean")  # type: ignore[arg-type]
