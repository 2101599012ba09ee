"""What the whole model must not undo: how scans start."""

from pathlib import Path

import pytest
import torch
import yaml
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.blocks import StateSpace

TINY = yaml.safe_load(Path(__file__).with_name("tiny.yaml").read_text())
NAMES = ["ultralight_vm_unet", "sk_vm_plus_plus", "u_mamba_bot", "u_mamba_enc", "seg_mamba"]


@pytest.mark.parametrize("name", NAMES)
def test_step_widths_start_as_published_in_the_built_model(name: str) -> None:
    """The published code of UltraLight VM-UNet zeroes their biases, which makes all widths ln 2."""
    overrides = {key: value for key, value in TINY[name].items() if not key.startswith("_")}
    model = create_model(name, in_channels=2, num_classes=2, overrides=overrides)
    spaces = [part for part in model.modules() if isinstance(part, StateSpace)]
    widths = torch.cat([F.softplus(space.steps.bias).detach() for space in spaces])
    assert len(spaces) > 0
    assert 1e-3 - 1e-6 <= float(widths.min()) < float(widths.max()) <= 1e-1 + 1e-6
