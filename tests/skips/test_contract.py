"""What every skip pathway promises with every encoder; a new one is tested by having a YAML."""

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tests import contracts
from torch import Tensor, nn

from unetzoo import create_model, list_skips
from unetzoo.inference.contract import DataSpec
from unetzoo.levels import Level
from unetzoo.onnx_export import export
from unetzoo.skips import Chain, SkipPathway
from unetzoo.unet import UNet

# encoder and what makes it small, one per family
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("resnet10t", {"options": {"channels": [8, 16, 16, 32], "stem_width": 8}}),
    "efficientnet": ("efficientnet_lite0", {}),
    "convnext": ("convnext_atto", {"options": {"dims": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}}),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"options": {"embed_dim": 8, "depths": [1, 2, 1, 1], "num_heads": [1, 2, 4, 8]}},
    ),
    "mobilenetv3": ("mobilenetv3_small_050", {}),
    "conv2d": ("conv2d", {"channels": [4, 8, 16]}),
    "conv3d": ("conv3d", {"channels": [4, 8, 16]}),
    "residual2d": ("residual2d", {"channels": [4, 8, 16], "blocks": [1, 1, 1]}),
    "residual3d": ("residual3d", {"channels": [4, 8, 16], "blocks": [1, 1, 1]}),
}
BASIC = ("concat", "add", "attention_gate", "nested")
# what makes a pathway small and quick to test, by its name
TINY: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("tiny.yaml").read_text()) or {}


def _pathway(skip: str) -> type[SkipPathway]:
    with torch.device("meta"):
        return type(build("conv2d", skip).skip)


def _pairs(thorough: bool) -> Iterator[Any]:
    """Every family with every pathway it is for; ``make test`` leaves most pairs to ``make test-all``.

    Args:
        thorough: Keep every pathway in 3D and the basic pathways with every family too.
    """
    for skip in list_skips():
        for family in FAMILIES:
            if (3 if family.endswith("3d") else 2) in KINDS[skip].ndims:
                # to record an EfficientNet takes as long as all others together
                quick = family == "conv2d" or (skip == "concat" and (thorough or family != "efficientnet"))
                quick |= thorough and (family == "conv3d" or skip in BASIC)
                yield pytest.param(family, skip, marks=() if quick else pytest.mark.full)


# multiples of every divisor, odd sizes, one pixel short
SIZES: dict[int, list[tuple[int, ...]]] = {
    2: [(64, 96), (37, 53), (63, 95)],
    3: [(16, 12, 20), (9, 13, 11), (15, 11, 19)],
}


def build(family: str, skip: str, **encoder: Any) -> UNet:
    name, small = FAMILIES[family]
    overrides = {f"encoder.{key}": value for key, value in (small | encoder).items()}
    overrides |= {"decoder.channels": [8, 8, 8, 16, 16], "deep_supervision": True} | TINY.get(skip, {})
    torch.manual_seed(0)
    model = create_model(encoder=name, skip=skip, in_channels=2, num_classes=3, overrides=overrides)
    contracts.disturb(model)
    return model


KINDS = {skip: _pathway(skip) for skip in list_skips()}
every_pair = pytest.mark.parametrize(("family", "skip"), [*_pairs(thorough=True)])
some_pairs = pytest.mark.parametrize(("family", "skip"), [*_pairs(thorough=False)])


@cache
def built(family: str, skip: str) -> UNet:
    return build(family, skip)


@every_pair
@pytest.mark.parametrize(
    "which",
    [0, 1, pytest.param(2, marks=pytest.mark.full)],
    ids=["multiple", "odd", "one-short"],
)
def test_logits_have_the_images_size_and_every_parameter_gets_a_finite_gradient(
    family: str, skip: str, which: int
) -> None:
    model = built(family, skip)
    assert len(model.heads) > 1
    contracts.assert_answers_and_trains(model, SIZES[model.ndim][which])


@every_pair
def test_levels_gates_and_widths_tell_the_truth(family: str, skip: str) -> None:
    model = built(family, skip).eval()
    pathway, decoder = model.skip, model.decoder
    steps = [*pathway.steps] if isinstance(pathway, Chain) else []
    seen: dict[nn.Module, Any] = {}
    handles = [
        module.register_forward_hook(lambda module, inputs, output: seen.update({module: (inputs, output)}))
        for module in (model.encoder, pathway, decoder, *steps, *pathway.merges)
    ]
    size = SIZES[model.ndim][0]
    with torch.inference_mode():
        model(contracts.image(model, size))
    for handle in handles:
        handle.remove()

    def rows(tensors: list[Tensor]) -> list[Level]:
        return [
            Level(t.shape[1], tuple(a // b for a, b in zip(size, t.shape[2:], strict=True))) for t in tensors
        ]

    assert rows(seen[model.encoder][1]) == model.encoder.levels
    assert rows(seen[pathway][1]) == pathway.levels
    assert rows(seen[decoder][1][::-1]) == decoder.levels
    for step in steps:
        assert isinstance(step, SkipPathway)
        assert rows(seen[step][1]) == step.levels
    assert rows(pathway.side_outputs(seen[pathway][1])) == pathway.side_levels
    for merge, gate, width in zip(pathway.merges, decoder.gates, pathway.merged, strict=True):
        (_, brought, coarse), out = seen[merge]
        assert rows([out]) == [Level(width, gate.stride)]
        assert rows([brought, coarse]) == [Level(gate.channels, gate.stride), gate.coarse]


@every_pair
def test_state_dict_goes_round_and_lists_every_tensor_once(family: str, skip: str) -> None:
    model = built(family, skip)
    contracts.assert_state_goes_round(model, build(family, skip), SIZES[model.ndim][1])


@some_pairs
def test_builds_without_memory_for_weights(family: str, skip: str) -> None:
    real = built(family, skip)
    model = contracts.assert_builds_without_memory(lambda: build(family, skip), SIZES[real.ndim][1])
    assert isinstance(model, UNet)
    assert model.skip.levels == real.skip.levels
    shapes = [{k: v.shape for k, v in network.state_dict().items()} for network in (model, real)]
    assert shapes[0] == shapes[1]


@every_pair
def test_half_precision_is_finite(family: str, skip: str) -> None:
    model = built(family, skip)
    contracts.assert_finite_in_half_precision(model, SIZES[model.ndim][0])


@pytest.mark.parametrize(
    ("family", "skip"),
    [
        *(("conv2d" if 2 in kind.ndims else "conv3d", skip) for skip, kind in KINDS.items()),
        ("residual3d", "chain"),
        ("resnet", "concat"),
    ],
)
def test_compiles_as_one_graph(family: str, skip: str) -> None:
    model = built(family, skip).eval()
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager", dynamic=False)
    with torch.inference_mode():
        for size in SIZES[model.ndim][:2]:
            x = contracts.image(model, size)
            torch.testing.assert_close(compiled(x), model(x))


@some_pairs
def test_onnx_runtime_agrees(
    family: str, skip: str, tmp_path: Path, data_of: Callable[..., DataSpec]
) -> None:
    # deep backbones take the most seconds, so they are recorded whole once, with the plain skip
    timm = family not in ("conv2d", "conv3d", "residual2d", "residual3d")
    model = build(family, skip, **({"depth": 3} if timm and skip != "concat" else {})).eval()
    sizes = SIZES[model.ndim]
    if model.fixed_size_parts:
        with pytest.raises(ValueError, match="depends on the image's size"):
            export(model, tmp_path / "refused.onnx", data=data_of(model, sizes[0]), dynamic=True)
    contracts.assert_onnx_agrees(model, tmp_path, data_of, sizes)


@pytest.mark.parametrize("skip", [skip for skip, kind in KINDS.items() if kind.identity])
def test_at_first_the_identity_equals_the_plain_skip(skip: str) -> None:
    switch = "identity_init" in inspect.signature(KINDS[skip].__init__).parameters
    small = {"encoder.channels": [4, 8, 16], "decoder.channels": [8, 8, 16]}
    plain = create_model(encoder="conv2d", skip=KINDS[skip].identity, overrides=small).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    changes = TINY.get(skip, {}) | ({"skip.identity_init": True} if switch else {})
    upgraded = create_model(encoder="conv2d", skip=skip, overrides=small | changes).eval()
    missing, unexpected = upgraded.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("skip.") for name in missing)
    x = torch.randn(2, 3, 37, 29)
    with torch.inference_mode():
        torch.testing.assert_close(upgraded(x), plain(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("skip", "ndim"), [(skip, n) for skip, kind in KINDS.items() for n in (2, 3) if n not in kind.ndims]
)
def test_what_a_pathway_is_not_for_is_refused(skip: str, ndim: int) -> None:
    with pytest.raises(ValueError, match=f"is not for {ndim}D"):
        build(f"conv{ndim}d", skip)
