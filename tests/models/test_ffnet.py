from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from unetzoo import create_model
from unetzoo.decoders import UpHead
from unetzoo.encoders import FFNetEncoder
from unetzoo.levels import Level
from unetzoo.unet import UNet

# the authors' names without "mobile", which only resizes otherwise, and parameters for 19 classes
PUBLISHED = {
    "150_AAA": 98_843_475,
    "134_AAA": 98_251_603,
    "86_AAA": 53_987_155,
    "56_AAA": 33_624_915,
    "34_AAA": 25_285_203,
    "101_AAA": 47_545_171,
    "50_AAA": 28_553_043,
    "86_ABB": 51_252_115,
    "34_ABB": 22_550_163,
    "18_dAAA": 15_181_267,
    "18_dAAC": 13_403_347,
    "150S_BBB": 48_006_259,
    "86S_BBB": 26_603_123,
    "86S_dBBB": 26_607_347,
    "78S_dBBB": 27_491_059,
    "54S_dBBB": 18_044_659,
    "40S_dBBB": 13_911_283,
    "40S_BCC": 13_248_659,
    "122N_CBB": 51_393_555,
    "74N_CBB": 37_148_179,
    "46N_CBB": 20_214_035,
    "122NS_CBB": 32_815_891,
    "46NS_CCC": 12_530_995,
}
HEADS = {"A": (512, 1), "B": (256, 3), "C": (128, 1)}


def family(name: str, **changes: Any) -> UNet:
    backbone, letters = name.split("_")
    channels, kernel = HEADS[letters[-1]]
    overrides = {
        "encoder.backbone": backbone,
        "encoder.reduce": letters.startswith("d"),
        "decoder.variant": letters[-2],
        "head.channels": channels,
        "head.kernel_size": kernel,
    }
    with torch.device("meta"):
        return create_model("ffnet", num_classes=19, overrides=overrides | changes)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_member_has_its_published_size(name: str, count: Callable[[nn.Module], int]) -> None:
    assert count(family(name)) == PUBLISHED[name]


@pytest.mark.parametrize(("letter", "width"), [("A", 512), ("B", 288), ("C", 176)])
def test_the_head_sees_all_rows_side_by_side(letter: str, width: int) -> None:
    head: Any = family(f"18_A{letter}A").heads[0]
    assert head.body[0].in_channels == width


def test_strides_are_4_to_32_and_reduced_8_to_64() -> None:
    for name, finest in (("18_AAA", 4), ("22S_BBB", 4), ("46N_CBB", 4), ("18_dAAA", 8)):
        assert [level.stride[0] for level in family(name).encoder.levels] == [finest * 2**i for i in range(4)]


def test_names_of_type_a_count_its_layers() -> None:
    for name in (18, 34, 56, 86, 134, 150):
        stages: Any = family(f"{name}_AAA").encoder.stages
        # two convolutions per block, the stem and what was once the classifier
        assert 2 * sum(len(stage) for stage in stages) + 2 == name


def test_without_its_skips_the_up_head_depends_on_the_bottleneck_alone() -> None:
    rows = [Level(3, (4, 4)), Level(5, (8, 8)), Level(7, (16, 16))]
    torch.manual_seed(0)
    decoder = UpHead(rows, widths=[2, 4, 6], outputs=[3, 4, 5])
    decoder.build([2, 4])
    decoder.eval()
    skips = [torch.randn(1, row.channels, 64 // row.stride[0], 64 // row.stride[0]) for row in rows]
    others = [*(torch.randn_like(skip) for skip in skips[:-1]), skips[-1]]
    seen: list[tuple[int, ...]] = []

    def only_gate(level: int, skip: torch.Tensor, gate: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        seen.append((level, *gate.shape[1:3], *coarse.shape[1:3]))
        return gate

    with torch.inference_mode():
        ours, theirs = decoder(skips, only_gate), decoder(others, only_gate)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert [tuple(out.shape[1:3]) for out in ours] == [(5, 4), (4, 8), (3, 16)]
    # narrowed before it is resized
    assert seen[:2] == [(1, 4, 8, 4, 4), (0, 2, 16, 2, 8)]


def test_skips_add_what_their_adapters_make_of_them() -> None:
    model = create_model(encoder="conv2d", skip="adapt", overrides={"encoder.channels": [4, 8, 8]})
    merge: Any = model.skip.merges[0].eval()
    skip, gate = torch.randn(1, 4, 8, 8), torch.randn(1, model.decoder.gates[0].channels, 8, 8)
    assert torch.equal(merge(skip, gate, gate), merge.adapter(skip) + gate)
    assert (merge.adapter(skip) >= 0).all()


def test_nearest_upsampling_is_exact_for_constant_rows() -> None:
    decoder = UpHead([Level(2, (4, 4)), Level(2, (8, 8))], widths=[2, 2], outputs=[2, 2], up="nearest")
    ups: Any = decoder.ups
    assert torch.equal(ups[0](torch.full((1, 2, 3, 3), 0.1)), torch.full((1, 2, 6, 6), 0.1))


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="FFNet has no backbone '99'; choose one of 18, 34"):
        FFNetEncoder(3, backbone="99")
    with pytest.raises(ValueError, match="backbone 46N cannot be reduced"):
        FFNetEncoder(3, backbone="46N", reduce=True)
    with pytest.raises(ValueError, match=r"backbone 18 has 4 stages, but channels are \[4, 8\]"):
        FFNetEncoder(3, backbone="18", channels=[4, 8])
    with pytest.raises(ValueError, match=r"has 2 rows but the up-head 4 widths"):
        UpHead([Level(4, (4, 4)), Level(4, (8, 8))])
