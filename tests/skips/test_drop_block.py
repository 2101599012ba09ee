import pytest
import torch

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.skips import DropBlockSkip

ROWS = [Level(4, (1, 1)), Level(4, (2, 2)), Level(8, (4, 4))]
GATES = [Gate(8, (1, 1), ROWS[1]), Gate(8, (2, 2), ROWS[2])]


def test_listed_rows_lose_blocks_in_training_and_the_bottleneck_never() -> None:
    torch.manual_seed(0)
    skip = DropBlockSkip(ROWS, GATES, p=0.5, size=2, rows=[1])
    x = [torch.ones(2, c, 16 // s[0], 16 // s[1]) for c, s in ROWS]
    out = skip(x)
    assert out[0] is x[0]
    assert (out[1] == 0).any()
    assert out[2] is x[2]
    assert all(a is b for a, b in zip(skip.eval()(x), x, strict=True))


def test_weights_of_a_plain_network_fit() -> None:
    small = {"encoder.channels": [4, 8], "decoder.channels": [4, 8]}
    plain = create_model(encoder="conv2d", overrides=small)
    create_model(encoder="conv2d", skip="drop_block", overrides=small).load_state_dict(plain.state_dict())


def test_a_row_that_meets_no_skip_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rows=\[2\]: there is no skip 2"):
        DropBlockSkip(ROWS, GATES, rows=[2])
