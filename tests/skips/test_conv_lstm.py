from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo import create_model
from unetzoo.levels import Gate, Level
from unetzoo.skips import ConvLSTMSkip

ROWS = [Level(6, (1, 1)), Level(8, (2, 2))]
GATES = [Gate(6, (1, 1), ROWS[1])]


def merge(**options: Any) -> Any:
    torch.manual_seed(0)
    made = ConvLSTMSkip(ROWS, GATES, **options).merges[0].double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))  # some gates saturate
    return made


def maps(channels: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    skip, gate = (torch.randn(2, c, 5, 6, dtype=torch.float64, generator=generator) for c in (channels, 6))
    return skip, gate, gate[:, :, ::2, ::2]


def lstm(cell: Any, sequence: list[Tensor]) -> Tensor:
    """Keras' ConvLSTM2D, one gate after the other."""
    kernels, states = cell.from_input.weight.chunk(4), cell.from_state.weight.chunk(4)
    biases = cell.from_input.bias.chunk(4)
    h = torch.zeros(2, 3, 5, 6, dtype=torch.float64)
    c = torch.zeros_like(h)
    for x in sequence:
        i, f, g, o = (
            F.conv2d(x, k, b, padding=1) + F.conv2d(h, s, padding=1)
            for k, s, b in zip(kernels, states, biases, strict=True)
        )
        i, f, o = ((0.2 * gate + 0.5).clamp(0, 1) for gate in (i, f, o))
        c = f * c + i * torch.tanh(g)
        h = o * torch.tanh(c)
    return h


def test_backwards_the_decoder_is_read_first_and_the_skip_last() -> None:
    made = merge(bidirectional=False)
    skip, gate, coarse = maps()
    out = made(skip, gate, coarse)
    torch.testing.assert_close(out, lstm(made.backward_cell, [gate, skip]), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(out, lstm(made.backward_cell, [skip, gate]))


def test_both_ways_end_states_are_joined() -> None:
    made = merge()
    skip, gate, coarse = maps()
    ends = [lstm(made.forward_cell, [skip, gate]), lstm(made.backward_cell, [gate, skip])]
    expected = F.conv2d(torch.cat(ends, 1), made.join.weight, made.join.bias, padding=1).tanh()
    torch.testing.assert_close(made(skip, gate, coarse), expected, rtol=1e-12, atol=1e-12)


def test_a_closed_forget_gate_lets_only_the_last_be_seen() -> None:
    made = merge(bidirectional=False)
    with torch.no_grad():
        made.backward_cell.from_input.bias[3:6] = -1e3
        made.backward_cell.from_state.weight.zero_()
    skip, gate, coarse = maps()
    assert torch.equal(made(skip, gate, coarse), made(skip, torch.zeros_like(gate), coarse))


def test_the_forget_gate_starts_open_as_keras_has_it() -> None:
    torch.manual_seed(0)
    cell: Any = ConvLSTMSkip(ROWS, GATES).merges[0].backward_cell
    assert cell.from_input.bias.tolist() == [0.0] * 3 + [1.0] * 3 + [0.0] * 6


@pytest.mark.parametrize(("width", "expected"), [(4, 2), (6, 3), (9, 3)])
def test_the_wider_of_skip_and_decoder_is_projected_to_the_other(width: int, expected: int) -> None:
    made: Any = ConvLSTMSkip([Level(width, (1, 1)), ROWS[1]], GATES).merges[0].double()
    out = made(*maps(width))
    assert made.channels == expected
    assert out.shape == (2, expected, 5, 6)
    assert out.abs().max() < 1


def test_no_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"channels=0\.1 leaves none of 6"):
        ConvLSTMSkip(ROWS, GATES, channels=0.1)


def test_read_backwards_the_network_has_the_size_of_the_authors(count: Callable[[nn.Module], int]) -> None:
    with torch.device("meta"):
        model = create_model("bcdu_net", in_channels=1, overrides={"skip.bidirectional": False})
    # Keras counts 896 running statistics, and a 1x1 convolution turns the two logits into one probability
    assert count(model) == 20_659_717 - 896 - 3
