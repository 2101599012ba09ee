"""Scanned skips: who sees whom, what the encoder keeps, and what is too large."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests import contracts
from torch import Tensor, nn

from unetzoo import create_model
from unetzoo.blocks import SS2D, VSS, MambaLayer, StateSpace
from unetzoo.inference.contract import DataSpec
from unetzoo.levels import Gate, Level
from unetzoo.skips import ScannedSkip

ROWS = [Level(3, (1, 1)), Level(4, (2, 2)), Level(5, (4, 4))]
GATES = [Gate(4, (1, 1), ROWS[1]), Gate(5, (2, 2), ROWS[2])]
SMALL = partial(VSS, state=2)


def features() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(1, row.channels, 8 // row.stride[0], 12 // row.stride[0]) for row in ROWS]


@pytest.mark.parametrize(
    ("widths", "blocks", "expected"),
    [([32, 64, 128], 2, 959_137), ([64, 128, 256], 1, 2_657_217), ([64, 128, 256], 2, 3_450_177)],
)
def test_meunets_have_the_size_of_their_plan(
    widths: list[int], blocks: int, expected: int, count: Callable[[nn.Module], int]
) -> None:
    plan = {"encoder.channels": widths, "skip.blocks": blocks}
    with torch.device("meta"):
        assert count(create_model("meunet", in_channels=1, num_classes=1, overrides=plan)) == expected


def test_rows_without_blocks_stay_as_they_are() -> None:
    for rows, bottleneck, changed in (
        (None, True, [True, True, True]),
        ([-1], False, [False, True, False]),
        ([], True, [False, False, True]),
    ):
        skip = ScannedSkip(ROWS, GATES, block=SMALL, rows=rows, bottleneck=bottleneck)
        out = skip(features())
        assert [not torch.equal(a, b) for a, b in zip(out, features(), strict=True)] == changed


def test_a_skip_sees_the_whole_row_where_the_plain_one_sees_its_pixel() -> None:
    skip = ScannedSkip(ROWS, GATES, block=SMALL, rows=[0], bottleneck=False)
    given = features()
    given[0].requires_grad_()
    for out, everywhere in ((skip(given)[0], True), (given[0] * 1, False)):
        (grad,) = torch.autograd.grad(out[..., -1, -1].square().sum(), given[0])
        assert bool(grad.abs().sum(1).gt(0).all()) is everywhere


def test_scans_see_the_padding() -> None:
    """Where it matters, give images of a multiple of the bottleneck's stride."""
    torch.manual_seed(0)
    skip = ScannedSkip(ROWS, GATES, block=SMALL, rows=[0], bottleneck=False).double()
    row, *others = (x.double() for x in features())
    padded = nn.functional.pad(row, (0, 4, 0, 0), mode="replicate")
    inside = skip([row, *others])[0][..., 1:-1]
    assert not torch.allclose(skip([padded, *others])[0][..., 1:11], inside, rtol=0, atol=1e-12)


def test_a_mamba_along_the_pixels_takes_the_scans_place() -> None:
    small = {
        "encoder.channels": [4, 8],
        "skip.block": {"_target_": "unetzoo.blocks.MambaLayer", "_partial_": True},
    }
    model: Any = create_model("meunet", overrides=small)
    assert [type(stack[0]) for stack in model.skip.stacks.values()] == [MambaLayer, MambaLayer]


def test_scans_on_the_encoders_own_path_are_a_chain_of_its_blocks() -> None:
    steps = {
        "first": {"_target_": "unetzoo.blocks.conv_block", "_partial_": True},
        "second": {"_target_": "unetzoo.blocks.vss", "_partial_": True, "state": 2},
    }
    chain = {"_target_": "unetzoo.blocks.block_chain", "_partial_": True, "steps": steps}
    both: Any = create_model(encoder="conv2d", overrides={"encoder.channels": [4, 8], "encoder.block": chain})
    assert [type(stage[1]) for stage in both.encoder.stages] == [VSS, VSS]
    assert both.encoder.stages[1][0][0].in_channels == 4


def test_a_recorded_scan_remembers_whatever_the_size(
    tmp_path: Path, data_of: Callable[..., DataSpec]
) -> None:
    """Of weights that forget, the start of a sequence would not be seen in its end."""
    torch.manual_seed(0)
    small = {"encoder.channels": [4, 8], "skip.block.state": 2}
    model = create_model("meunet", in_channels=2, overrides=small)
    sizes = [(12, 16), (7, 9), (17, 5), (20, 22)]
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, StateSpace):
                # steps are 0.1 at most, sequences 440 pixels
                module.log_decay.fill_(math.log(1e-3))
            if isinstance(module, SS2D):
                for parameter in module.leave.parameters():
                    parameter.mul_(50)
    contracts.assert_onnx_agrees(model, tmp_path, data_of, sizes)


def test_a_map_of_too_many_pixels_is_refused_by_row_and_size() -> None:
    skip = ScannedSkip(ROWS, GATES, block=SMALL, max_tokens=24)
    with pytest.raises(
        ValueError, match=r"row 0 is a map of \(8, 12\), 96 tokens to scan, and skip\.max_tok"
    ):
        skip(features())


def test_rows_that_are_no_skips_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no skip 2; list 0 to 1"):
        ScannedSkip(ROWS, GATES, block=SMALL, rows=[2])
    with pytest.raises(ValueError, match="scan nothing"):
        ScannedSkip(ROWS, GATES, block=SMALL, rows=[], bottleneck=False)
