from functools import partial
from typing import Any

import pytest
import torch

from unetzoo import create_model
from unetzoo.blocks import SqueezeExcite
from unetzoo.levels import Gate, Level
from unetzoo.skips import Reweight

ROWS = [Level(4, (1, 1)), Level(8, (2, 2)), Level(8, (4, 4))]
GATES = [Gate(8, (1, 1), ROWS[1]), Gate(8, (2, 2), ROWS[2])]


def features() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(1, c, 16 // s[0], 16 // s[1]) for c, s in ROWS]


def test_every_row_has_a_block_of_its_own_and_the_bottleneck_none() -> None:
    skip = Reweight(ROWS, GATES, block=partial(SqueezeExcite, reduction=4))
    before = features()
    after = skip(before)
    for row, block in enumerate(skip.blocks):
        assert torch.equal(after[row], block(before[row]))
        assert not torch.equal(after[row], before[row])
    assert after[-1] is before[-1]
    shared = {id(p) for p in skip.blocks[0].parameters()} & {id(p) for p in skip.blocks[1].parameters()}
    assert not shared


def test_rows_that_are_not_listed_pass_as_they_are() -> None:
    skip = Reweight(ROWS, GATES, block=SqueezeExcite, rows=[1])
    before = features()
    after = skip(before)
    assert after[0] is before[0]
    assert not torch.equal(after[1], before[1])
    assert Reweight(ROWS, GATES, block=SqueezeExcite, rows=[-1]).block_of == skip.block_of


def test_rows_of_one_width_may_share_a_block() -> None:
    rows = [Level(8, (1, 1)), Level(8, (2, 2)), Level(8, (4, 4))]
    skip = Reweight(rows, [GATES[0], GATES[1]], block=SqueezeExcite, shared=True)
    assert len(skip.blocks) == 1
    x = torch.randn(1, 8, 4, 4)
    first, second, _ = skip([x, x, x])
    assert torch.equal(first, second)
    with pytest.raises(ValueError, match=r"rows of widths \[4, 8\] cannot share a block"):
        Reweight(ROWS, GATES, block=SqueezeExcite, shared=True)


def test_a_row_that_meets_no_skip_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rows=\[0, 2\]: there is no skip 2; list 0 to 1"):
        Reweight(ROWS, GATES, block=SqueezeExcite, rows=[0, 2])


@pytest.mark.parametrize("name", ["se", "cbam", "sc_se", "eca"])
def test_identity_init_equals_the_plain_skip_in_3d_too(name: str) -> None:
    small: dict[str, Any] = {"encoder.channels": [4, 8, 8], "decoder.channels": [4, 8, 8]}
    plain = create_model(encoder="conv3d", overrides=small).eval()
    changed = small | {"skip.identity_init": True}
    weighed = create_model(encoder="conv3d", skip=name, overrides=changed).eval()
    missing, unexpected = weighed.load_state_dict(plain.state_dict(), strict=False)
    assert missing
    assert not unexpected
    assert all(key.startswith("skip.blocks.") for key in missing)
    x = torch.randn(1, 3, 9, 10, 11)
    torch.testing.assert_close(weighed(x), plain(x))
