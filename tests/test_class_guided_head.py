import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unetzoo import create_model, load
from unetzoo.inference.contract import DataSpec
from unetzoo.inference.network import OnnxNetwork
from unetzoo.onnx_export import export
from unetzoo.unet import UNet

SMALL = {"encoder.channels": [4, 6, 8], "skip.channels": 2, "decoder.channels": 2, "deep_supervision": True}


def guided(**changes: Any) -> UNet:
    torch.manual_seed(0)
    return create_model("unet_3plus", head="class_guided", overrides=SMALL | changes).eval()


def force(model: Any, *, present: float) -> None:
    """Let the classifier say this much, whatever it sees."""
    conv = model.heads[0].presence.conv
    torch.nn.init.zeros_(conv.weight)
    conv.bias.data = torch.tensor([0.0, present])


def unguided(model: UNet, x: Tensor) -> list[Tensor]:
    plain = create_model("unet_3plus", overrides=SMALL).eval()
    weights = {
        key.replace(".head.", "."): value
        for key, value in model.state_dict().items()
        if "presence" not in key
    }
    plain.load_state_dict(weights, strict=True)
    return plain.forward_deep(x)


def test_certain_of_foreground_it_equals_the_head_it_guides() -> None:
    model, x = guided(), torch.randn(2, 3, 13, 18)
    force(model, present=9.0)
    for found, expected in zip(model.forward_deep(x), unguided(model, x), strict=True):
        assert torch.equal(found, expected)


def test_an_image_without_foreground_is_background_in_every_head() -> None:
    model, x = guided(), torch.randn(2, 3, 13, 18)
    force(model, present=-1.0)
    assert not any(logits.any() for logits in model.forward_deep(x))
    multiclass = guided(**{
        "head.head": {"_target_": "unetzoo.heads.Head", "_partial_": True, "kernel_size": 3},
        "head.activation": "softmax",
    })  # fmt: skip
    force(multiclass, present=-1.0)
    assert not multiclass(x).argmax(1).any()


def test_each_image_is_judged_by_itself() -> None:
    model = guided()
    x = torch.randn(8, 3, 12, 16)
    decoded = model.decode(x)[1]
    head: Any = model.heads[0]
    factor = head.guide(decoded[0])
    logits = head.presence.classify(decoded[0]).flatten(1)
    assert factor.flatten().tolist() == logits.argmax(1).tolist()
    torch.testing.assert_close(model(x), unguided(model, x)[0] * factor)


def test_the_soft_gate_is_the_probability_of_foreground() -> None:
    model, x = guided(**{"head.gate": "soft"}), torch.randn(2, 3, 13, 18)
    force(model, present=0.3)
    p = torch.tensor(0.3).sigmoid()
    for found, expected in zip(model.forward_deep(x), unguided(model, x), strict=True):
        torch.testing.assert_close(found, expected * p)


def test_the_hard_gate_is_trained_by_its_own_objective_alone() -> None:
    model, x = guided().train(), torch.randn(2, 3, 12, 16)
    logits, losses = model.forward_train(x, torch.ones(2, 12, 16, dtype=torch.int64))
    main: Any = model.heads[0]
    classifier = main.presence.conv
    torch.stack([out.sum() for out in logits]).sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
    assert main.presence.conv.weight.grad is None
    assert list(losses) == ["presence"]
    losses["presence"].backward()  # type: ignore[no-untyped-call]
    assert classifier.weight.grad.any()


def test_heads_share_one_classifier_that_is_listed_once() -> None:
    with torch.device("meta"):
        model = create_model("unet_3plus", head="class_guided", overrides={"deep_supervision": True})
    # counted from the authors' code
    assert sum(p.numel() for p in model.parameters()) == sum(v.numel() for k, v in model.named_parameters())
    assert sum(p.numel() for p in model.parameters()) == 26_991_687
    assert [key for key in model.state_dict() if "presence" in key] == [
        "heads.0.presence.conv.weight",
        "heads.0.presence.conv.bias",
    ]


def test_side_outputs_that_see_no_coarse_row_are_not_guided_so_pruning_holds(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model(
        "unet_plus_plus", encoder="conv2d", head="class_guided",
        overrides={"encoder.channels": [4, 6, 8], "decoder.channels": [5, 7]},
    ).eval()  # fmt: skip
    x = torch.randn(1, 3, 12, 16)
    small = model.prune(1)
    assert torch.equal(small(x), model.forward_deep(x)[1])
    assert torch.equal(load(small.save_pretrained(tmp_path))(x), small(x))


@pytest.mark.parametrize("average", [False, True])
def test_it_survives_copying_and_saving(tmp_path: Path, average: bool) -> None:
    model, x = guided(average_heads=average), torch.randn(2, 3, 13, 18)
    force(model, present=9.0)
    twin = copy.deepcopy(model)
    force(model, present=-1.0)
    assert twin(x).any()
    force(twin, present=-1.0)
    assert not any(logits.any() for logits in twin.forward_deep(x))
    force(model, present=9.0)
    again = load(model.save_pretrained(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(again.forward_deep(x), model.forward_deep(x), strict=True))


@pytest.mark.parametrize(("gate", "average"), [("hard", True), ("soft", False)])
def test_onnx_runtime_agrees(
    tmp_path: Path, data_of: Callable[..., DataSpec], gate: str, average: bool
) -> None:
    model: Any = guided(**{"head.gate": gate, "average_heads": average})
    x = torch.randn(4, 3, 13, 22)
    with torch.no_grad():
        # as far as the classifier goes, half of the images have foreground
        absent, present = model.heads[0].presence.classify(model.decode(x)[1][0]).flatten(1).unbind(1)
        middle = (present - absent).sort().values[1:3].mean()
        model.heads[0].presence.conv.bias[1] -= middle
    kept = (present - absent > middle).tolist() if gate == "hard" else [True] * 4
    network = OnnxNetwork(export(model, tmp_path / "model.onnx", data=data_of(model, (16, 16)), dynamic=True))
    with torch.inference_mode():
        expected = model(x).numpy()
    assert expected.any((1, 2, 3)).tolist() == kept
    np.testing.assert_allclose(network(x.numpy()), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_an_unknown_gate_is_refused() -> None:
    with pytest.raises(ValueError, match="hard or soft, not 'firm'"):
        guided(**{"head.gate": "firm"})
