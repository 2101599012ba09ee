import pytest
import torch
from torch import nn

from unetzoo.encoders import ConvEncoder, Encoder, ResidualEncoder, TimmEncoder
from unetzoo.levels import Level, ratio
from unetzoo.nd import conv


@pytest.mark.parametrize("kind", [ConvEncoder, ResidualEncoder])
def test_a_thick_axis_can_be_kept(kind: type[ConvEncoder] | type[ResidualEncoder]) -> None:
    strides = [[1, 1, 1], [1, 2, 2], [2, 4, 4]]
    plan = {"blocks": [1, 1, 1]} if kind is ResidualEncoder else {}
    encoder = kind(1, channels=[2, 4, 6], ndim=3, strides=strides, **plan)  # type: ignore[arg-type]
    shapes = [tuple(f.shape) for f in encoder(torch.zeros(1, 1, 4, 8, 12))]
    assert shapes == [(1, 2, 4, 8, 12), (1, 4, 4, 4, 6), (1, 6, 2, 2, 3)]
    assert [level.stride for level in encoder.levels] == [(1, 1, 1), (1, 2, 2), (2, 4, 4)]


@pytest.mark.parametrize("kind", [ConvEncoder, ResidualEncoder])
def test_a_truncated_encoder_gives_the_first_rows(kind: type[ConvEncoder] | type[ResidualEncoder]) -> None:
    encoder = kind(3).eval()
    x = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        whole = encoder(x)
        encoder.truncate(2)
        part = encoder(x)
    assert len(encoder.levels) == len(part) == 3
    assert all(torch.equal(a, b) for a, b in zip(part, whole, strict=False))


def test_strides_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="no multiple of stride"):
        ConvEncoder(1, channels=[2, 4, 4], strides=[[1, 1], [2, 2], [3, 3]])


@pytest.mark.parametrize("kind", [ConvEncoder, ResidualEncoder])
def test_lists_of_other_lengths_are_refused_by_name(
    kind: type[ConvEncoder] | type[ResidualEncoder],
) -> None:
    with pytest.raises(ValueError, match=r"encoder\.strides has 2 entries for 3 rows"):
        kind(1, channels=[2, 4, 4], blocks=[1, 1, 1], strides=[[1, 1], [2, 2]])
    with pytest.raises(ValueError, match=r"encoder\.blocks \[1, 2\] must give one number per row"):
        kind(1, channels=[2, 4, 4], blocks=[1, 2])


def test_a_width_doubles_from_row_to_row() -> None:
    encoder = ConvEncoder(1, width=3, strides=[[1, 1], [2, 2], [4, 4]])
    assert [level.channels for level in encoder.levels] == [3, 6, 12]
    with pytest.raises(ValueError, match=r"needs encoder\.width and encoder\.strides"):
        ConvEncoder(1, channels=None)


def test_a_backbone_cannot_be_truncated() -> None:
    encoder: Encoder = TimmEncoder(3, name="resnet10t", depth=3)
    with pytest.raises(ValueError, match="TimmEncoder cannot be cut to 2 levels"):
        encoder.truncate(1)


def test_a_row_may_be_made_of_other_blocks_and_another_way_down() -> None:
    def block(ndim: int, c_in: int, c_out: int) -> nn.Module:
        return conv(ndim, c_in, c_out, 1)

    def down(fine: Level, coarse: Level) -> tuple[nn.Module, int]:
        step = ratio(coarse.stride, fine.stride)
        return conv(2, fine.channels, coarse.channels, step, stride=step), coarse.channels

    def bottleneck(ndim: int, c_in: int, c_out: int) -> nn.Module:
        return conv(ndim, c_in, c_out, 5)

    encoder = ConvEncoder(
        3, channels=[4, 6, 8], block=block, blocks=[1, 2, 3], bottleneck=bottleneck, down=down
    )
    weights = [tuple(p.shape[:3]) for p in encoder.stages.parameters() if p.dim() == 4]
    assert weights == [(4, 3, 1), (6, 6, 1), (6, 6, 1), (8, 8, 5)]
    assert [f.shape[1:] for f in encoder(torch.zeros(1, 3, 8, 12))] == [(4, 8, 12), (6, 4, 6), (8, 2, 3)]


def test_a_wrong_number_of_block_counts_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"encoder.blocks \[1, 2\] must give one number per row of \[2, 4, 4\]"
    ):
        ConvEncoder(1, channels=[2, 4, 4], blocks=[1, 2])
    with pytest.raises(ValueError, match="at least one block, got 0"):
        ConvEncoder(1, channels=[2, 4], blocks=[1, 0])
