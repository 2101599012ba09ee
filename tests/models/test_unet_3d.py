"""3D U-Net: its published size, and training where most voxels have no label."""

import torch
from torch import nn

from unetzoo import create_model
from unetzoo.losses import CrossEntropy

IGNORE = 255


def test_published_size_counts_no_norm() -> None:
    with torch.device("meta"):
        model = create_model("unet_3d", in_channels=3, num_classes=3)
    kinds = (nn.Conv3d, nn.ConvTranspose3d)
    convolutions = [m for m in model.modules() if isinstance(m, kinds)]
    assert sum(p.numel() for m in convolutions for p in m.parameters()) == 19_069_955
    assert sum(p.numel() for p in model.parameters()) == 19_074_627
    up = sum(m.out_channels for m in convolutions if isinstance(m, nn.ConvTranspose3d))
    assert 19_074_627 + up == 19_075_523  # with a bias on the way up, as others have it


def test_widths_double_before_pooling_and_stay_on_the_way_up() -> None:
    with torch.device("meta"):
        model = create_model("unet_3d")
    widths = [m.out_channels for m in model.modules() if isinstance(m, nn.Conv3d | nn.ConvTranspose3d)]
    assert widths == [32, 64, 64, 128, 128, 256, 256, 512, 128, 256, 512, 64, 64, 128, 128, 256, 256, 2]


def test_only_labelled_voxels_teach() -> None:
    torch.manual_seed(0)
    model = create_model("unet_3d", in_channels=1, overrides={"encoder.channels": [4, 8]})
    x, target = torch.randn(1, 1, 6, 8, 8), torch.full((1, 6, 8, 8), IGNORE)
    target[:, 2] = torch.randint(0, 2, (1, 8, 8))  # a single annotated slice
    loss = CrossEntropy(activation="softmax", class_weights=[0.2, 1])
    logits = model(x)
    logits.retain_grad()
    value = loss(logits, target)
    value.backward()
    labelled = (target != IGNORE).unsqueeze(1).expand_as(logits)
    assert torch.all(logits.grad[~labelled] == 0)
    assert torch.all(logits.grad[labelled] != 0)
    # every label at once with weight 0 on the rest is the same mean
    slices = loss(logits[:, :, 2], target[:, 2])
    torch.testing.assert_close(value, slices)
    assert loss(logits, torch.full_like(target, IGNORE)).item() == 0
