"""CVMH-UNet is VM-UNet's plan with other blocks and skips, and each of them costs what it should."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo import create_model


@pytest.mark.parametrize(
    ("width", "skeleton", "skips"),
    # inner channels of MFMS are a quarter at any width; 16 at least would be 25,859 for 48
    [(48, 7_463_094, 25_463), (64, 12_728_902, 44_701), (96, 27_427_686, 99_301)],
)
def test_without_branch_and_attention_it_has_vm_unets_size(
    width: int, skeleton: int, skips: int, count: Callable[[nn.Module], int]
) -> None:
    def build(**changes: Any) -> nn.Module:
        switches = {f"{part}.block.{k}": v for part in ("encoder", "decoder") for k, v in changes.items()}
        return create_model("cvmh_unet", num_classes=6, overrides={"encoder.width": width} | switches)

    with torch.device("meta"):
        bare: Any = build(local=False, channel_attention="none")
        local = build(channel_attention="none")
    assert count(bare.skip) == skips
    assert count(bare) == skeleton + skips
    if width == 96:
        assert count(local) == count(bare) + 3_192_192
