"""The counts of the papers and of their authors' code, met by the named configs."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from unetzoo import create_model


@pytest.mark.parametrize(
    ("model", "bands", "classes", "expected"),
    [
        ("unet_paper", 1, 2, 31_030_658),
        ("attention_unet_paper", 1, 4, 6_214_151),
        ("attention_unet_paper", 1, 2, 6_213_613),
        ("unet_plus_plus_paper", 1, 2, 9_041_700),
        ("h_dense_unet", 1, 3, 65_866_582),  # 0.25 M of it for long skips that the hybrid code has lost in 3D
        ("fc_densenet_56", 3, 11, 1_376_795),
        ("fc_densenet_67", 3, 11, 3_463_243),
        ("fc_densenet_103", 3, 11, 9_322_091),
        ("fc_hardnet_70", 3, 19, 4_119_257),
        ("w_net", 3, 20, 18_606_743),
        (
            "attention_w_net_3d",
            1,
            6,
            233_074_015,
        ),  # 7 less than DILITHIUM's, whose last layer has no use here
        ("u2_net", 3, 2, 44_009_869),
        ("u2_net_p", 3, 2, 1_131_181),
        ("is_net", 3, 2, 44_046_790),
        ("is_net_teacher", 3, 2, 6_877_734),
        ("ffnet", 3, 19, 53_987_155),  # the others of its family: test_ffnet.py
        ("unet_3plus", 3, 2, 26_971_777),
        ("wide_unet", 1, 2, 9_282_246),
        (
            "dla_up",
            3,
            19,
            17_540_131,
        ),  # what the published 18,095,163 count besides: tests/skips/test_dla_up.py
        ("wide_unet", 3, 2, 9_282_876),
        ("g_unet_t", 3, 3, 844_899),
        ("g_unet_s", 3, 3, 1_477_059),
        ("g_unet_b", 3, 3, 2_741_379),
        ("g_unet_d", 3, 3, 5_270_019),
        # 25,145,036 less a transposed convolution that is never used, and a second logit in four heads
        ("unet_v2", 3, 2, 25_128_784),
        ("bcdu_net", 1, 2, 23_369_442),  # read both ways; backwards alone: test_conv_lstm.py
        ("multi_res_unet", 3, 2, 7_251_372),  # 7,251,376 with the batch norm of two logits
        ("unet_3d", 3, 3, 19_074_627),  # the published 19,069,955 count no norm: test_unet_3d.py
        ("partially_reversible_unet_3d", 4, 3, 12_365_283),
        ("rev_mbconv_unet_3d", 4, 3, 4_401_363),
        ("glioma_nested_unet_3d", 4, 3, 8_269_331),
        # one less than the authors' 2,158,586: no PReLU behind the logits
        ("mcw_net", 3, 3, 2_158_585),
        ("fcn_32s", 3, 21, 134_346_581),  # as the authors', without their frozen transposed convolutions
        ("fcn_16s", 3, 21, 134_357_354),
        ("fcn_8s", 3, 21, 134_362_751),
        ("deeplab_v3_plus", 3, 21, 40_352_181),  # two convolutions; the popular port's one: test_deeplab.py
        ("bisenet_r18", 3, 19, 13_494_777),  # with two side heads; without: test_bisenet.py
        ("sine_net", 12, 3, 35_490_219),
        ("att_swin_unet", 3, 9, 32_681_988),  # swin_unet and three rows of tests/skips/test_cross_context.py
        ("swin_unet", 3, 9, 27_168_900),  # Swin-T's depth: tests/models/test_swin_unet.py
        # its baseline's 5,884,033 with 2 C C' + C' in each of two layers instead of 27 C C' + C'
        ("unet_gnn", 1, 2, 3_426_433),
        ("hybrid_gnet", 1, 4, 17_511_090),  # with fewer lookups or more organs: test_hybrid_gnet.py
        ("uc_trans_net", 3, 1, 66_430_657),
        # 24,849,856 of PVT v2-B2, 1,913,515 of skip and decoder, four heads; the paper has 26.76 M
        ("emcad", 3, 9, 26_772_623),
        ("malunet", 3, 1, 177_943),
        ("ultralight_vm_unet", 3, 1, 49_457),
        ("seg_mamba", 4, 4, 67_416_196),
        ("u_mamba_bot", 1, 14, 47_533_012),
        ("u_mamba_enc", 1, 14, 47_015_538),
        # the authors' 29,368,479 count the classifier of Res2Net-50 too: 2048 x 1000 + 1000
        ("sk_vm_plus_plus", 3, 1, 27_319_479),
        # 59,894,308 with weights of instance norms, 18,048, biases of transposed convolutions, 1,488, and a
        # fifth head, 9,997
        ("swin_umamba", 3, 13, 59_923_841),
        # 27,500,020 less a head of deep supervision at stride 4, of 96 channels
        ("swin_umamba_d", 3, 13, 27_498_759),
        ("meunet", 1, 1, 713_185),
        # 22,770,934 less a transposed convolution that is never used, and 10 behind the second head's logits
        ("vm_unet_v2", 3, 1, 22_734_060),
        ("vm_unet", 3, 1, 27_427_561),
        ("vm_unet", 3, 9, 27_427_761),
    ],
)
def test_named_models_have_their_published_size(
    model: str, bands: int, classes: int, expected: int, count: Callable[[nn.Module], int]
) -> None:
    with torch.device("meta"):
        built = create_model(model, in_channels=bands, num_classes=classes)
    assert count(built) == expected


def test_pruned_unet_plus_plus_has_the_sizes_of_l1_to_l4(count: Callable[[nn.Module], int]) -> None:
    model = create_model("unet_plus_plus_paper", in_channels=1)
    assert [count(model.prune(depth)) for depth in (1, 2, 3, 4)] == [100_961, 511_105, 2_204_961, 9_041_601]


def test_the_baseline_of_wide_unet_is_unet_plus_plus_without_its_inner_nodes(
    count: Callable[[nn.Module], int],
) -> None:
    widths = {"encoder.channels": [32, 64, 128, 256, 512]}
    assert count(create_model("wide_unet", in_channels=1, overrides=widths)) == 7_759_521
    assert count(create_model("wide_unet", in_channels=3, overrides=widths)) == 7_760_097
    # UNet^e: one encoder, U-Nets of depth 1 to 4
    ensemble = create_model("unet_plus_plus_paper", in_channels=1, overrides={"skip.sources": "ensemble"})
    assert count(ensemble.prune(4)) == 7_759_521
