from typing import Any

import pytest
import torch

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.skips import SCTuner

ROWS = [Level(4, (1, 1)), Level(6, (2, 2)), Level(8, (4, 4))]
GATES = [Gate(8, (1, 1), ROWS[1]), Gate(8, (2, 2), ROWS[2])]


def adapted(skip: SCTuner) -> SCTuner:
    torch.manual_seed(0)
    for parameter in skip.parameters():
        torch.nn.init.normal_(parameter)
    return skip


def test_is_the_identity_at_first_and_its_first_gradient_moves_the_last_layer() -> None:
    skip = SCTuner(ROWS, GATES)
    x = [torch.randn(1, c, 4, 4) for c, _ in ROWS]
    out = skip(x)
    assert all(torch.equal(a, b) for a, b in zip(out, x, strict=True))
    out[0].square().sum().backward()
    adapter: Any = skip.adapters[0]
    first, _, last = adapter
    assert first.weight.grad.abs().max() == 0
    assert last.weight.grad.abs().max() > 0


def test_costs_what_the_paper_says_per_row() -> None:
    counts = [sum(p.numel() for p in adapter.parameters()) for adapter in SCTuner(ROWS, GATES).adapters]
    assert counts == [2 * c * c + 2 * c for c in (4, 6)]


def test_permuting_pixels_permutes_the_output() -> None:
    skip = adapted(SCTuner(ROWS, GATES))
    x = [torch.randn(1, c, 5, 3) for c, _ in ROWS]
    order = torch.randperm(15)

    def shuffled(t: torch.Tensor) -> torch.Tensor:
        return t.flatten(2)[..., order].reshape(t.shape)

    for after, before in zip(skip([shuffled(t) for t in x]), skip(x), strict=True):
        torch.testing.assert_close(after, shuffled(before))


def test_goes_in_front_of_the_pathway_that_the_network_was_trained_with() -> None:
    small = {"encoder.channels": [4, 8, 8], "decoder.channels": [4, 8, 8]}
    gated = create_model(encoder="conv2d", skip="attention_gate", overrides=small).eval()
    both = create_model(encoder="conv2d", skip=["sc_tuner", "attention_gate"], overrides=small).eval()
    missing, unexpected = both.load_state_dict(gated.state_dict(), strict=False)
    assert not unexpected
    assert {key.split(".adapters")[0] for key in missing} == {"skip.steps.0"}
    x = torch.randn(1, 3, 9, 14)
    torch.testing.assert_close(both(x), gated(x))


def test_a_ratio_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ratio=0\.1 leaves no channels of 4; raise it"):
        SCTuner(ROWS, GATES, ratio=0.1)
