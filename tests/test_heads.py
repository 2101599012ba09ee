from typing import Any

import pytest
import torch
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.heads import BinaryFusedHead, BinaryHead, FusedHead, Head
from unetzoo.levels import Level


@pytest.mark.parametrize(
    ("head", "classes", "outputs", "activation"),
    [("multiclass", 3, 3, "softmax"), ("multilabel", 3, 3, "sigmoid"), ("binary", 2, 1, "sigmoid")],
)
def test_outputs_and_activation(head: str, classes: int, outputs: int, activation: str) -> None:
    small = {"encoder.channels": [4, 8], "decoder.channels": [4]}
    model = create_model(encoder="conv2d", head=head, num_classes=classes, overrides=small)
    assert model(torch.zeros(1, 3, 6, 6)).shape == (1, outputs, 6, 6)
    assert (model.activation, model.num_classes) == (activation, classes)


def test_coarse_rows_are_resized_after_the_convolution() -> None:
    head: Any = Head([Level(4, (4, 2))], 3, activation="softmax")
    x = torch.randn(1, 4, 5, 6)
    expected = F.interpolate(head.conv(x), scale_factor=(4.0, 2.0), mode="bilinear")
    assert torch.equal(head([x]), expected)


def test_fused_head_mixes_the_logits_of_every_row() -> None:
    rows = [Level(4, (1, 1)), Level(8, (2, 2))]
    head: Any = FusedHead(rows, 2)
    fine, coarse = torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4)
    # decoder outputs come coarsest first
    logits = [head.rows[0]([coarse]), head.rows[1]([fine])]
    assert torch.equal(head([coarse, fine]), head.fuse(torch.cat(logits, 1)))
    assert [isinstance(row, Head) and row.conv.kernel_size for row in head.rows] == [(1, 1), (1, 1)]


def test_with_deep_supervision_a_fused_head_gives_its_rows_logits_too() -> None:
    small = {"encoder.channels": [4, 8, 8], "decoder.channels": [4, 8], "deep_supervision": True}
    model = create_model(encoder="conv2d", head="binary_fused", overrides=small | {"head.kernel_size": 3})
    head: Any = model.heads[0]
    assert len(model.heads) == 1
    assert {row.conv.kernel_size for row in head.rows} == {(3, 3)}
    x = torch.randn(2, 3, 13, 11)
    main, *sides = model.eval().forward_deep(x)
    assert torch.equal(main, model(x))
    assert len(sides) == 2
    # where nothing is resized the fusion is of the cropped logits too; coarsest row first
    torch.testing.assert_close(head.fuse(torch.cat(sides[::-1], 1)), main)


def test_binary_is_for_two_classes() -> None:
    with pytest.raises(ValueError, match="binary head is for 2 classes, got 3; choose head=fused"):
        BinaryFusedHead([Level(4, (1, 1))], 3)
    with pytest.raises(ValueError, match="binary head is for 2 classes, got 3"):
        BinaryHead([Level(4, (1, 1))], 3)
