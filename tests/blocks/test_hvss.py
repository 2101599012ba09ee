"""The two branches of CVMH-UNet's block and what each of them costs."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo.blocks import HVSS, VSS


@pytest.mark.parametrize(
    ("ndim", "scan", "local", "attention"),
    [(2, "cs2d", True, "eca"), (2, "ss2d", True, "se"), (2, "cs2d", False, "none"), (3, "cs2d", True, "eca")],
)
def test_cells_of_the_ablation_keep_the_shape_and_are_trained(
    ndim: int, scan: Any, local: bool, attention: Any
) -> None:
    block = HVSS(ndim, 4, state=2, scan=scan, local=local, channel_attention=attention)
    x = torch.randn(2, 4, *(3, 2, 2)[:ndim])
    out = block(x)
    assert out.shape == x.shape
    out.square().sum().backward()
    assert all(p.grad is not None for p in block.parameters())


def test_without_local_branch_and_attention_it_is_vmambas_block(count: Callable[[nn.Module], int]) -> None:
    bare: dict[str, Any] = {"scan": "ss2d", "local": False, "channel_attention": "none", "state": 2}
    block, plain = HVSS(2, 8, **bare), VSS(2, 8, state=2)
    plain.load_state_dict(dict(zip(plain.state_dict(), block.state_dict().values(), strict=True)))
    x = torch.randn(1, 8, 3, 4)
    torch.testing.assert_close(block(x), plain(x))
    # depthwise 3x3 and two vectors of its norm; 1x1 with its bias
    assert count(HVSS(2, 8, **bare | {"local": True})) == count(block) + 8 * (9 + 2) + 8 * 8 + 8


def test_unknown_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="channel_attention 'cbam' is unknown; choose eca, se or none"):
        HVSS(2, 4, channel_attention="cbam")  # type: ignore[arg-type]
