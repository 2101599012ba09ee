from itertools import product
from typing import Any

import pytest
import torch
from timm.models.swin_transformer import SwinTransformerBlock
from torch import Tensor, nn

from unetzoo.blocks import SwinBlock, WindowAttention, ramp_drop_path, swin_pair


def disturbed(module: nn.Module) -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module.double()


def by_definition(module: Any, x: Tensor) -> Tensor:
    """Pixel by pixel: it sees its window, which starts at a multiple of the window plus the shift."""
    sizes = x.shape[2:]

    def window_of(pixel: tuple[int, ...]) -> tuple[int, ...]:
        axes = zip(pixel, sizes, module.window, module.shift, strict=True)
        return tuple((p - (shift if size > w else 0)) // w for p, size, w, shift in axes)

    pixels = [*product(*map(range, sizes))]
    q, k, v = module.qkv(x.movedim(1, -1)).unflatten(-1, (3, module.heads, -1)).unbind(-3)
    out = torch.zeros_like(q)
    for pixel in pixels:
        seen = [other for other in pixels if window_of(other) == window_of(pixel)]
        here: Any = (slice(None), *pixel)
        at: Any = (slice(None), *torch.tensor(seen).unbind(1))
        rows = []
        for other in seen:
            row = 0
            for a, b, w in zip(pixel, other, module.window, strict=True):
                row = row * (2 * w - 1) + a - b + w - 1
            rows.append(module.table[row])
        logits = torch.einsum("bhd,bnhd->bnh", q[here], k[at]) * q.shape[-1] ** -0.5
        weights = (logits + torch.stack(rows)).softmax(1)
        out[here] = torch.einsum("bnh,bnhd->bhd", weights, v[at])
    return torch.as_tensor(module.out(out.flatten(-2)).movedim(-1, 1))


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(
    ("window", "size"),
    [((3, 3), (7, 8)), ((4, 2), (3, 5)), ((3, 3), (3, 6)), ((2, 3), (1, 1)), ((2, 3, 2), (3, 4, 2))],
)
@torch.no_grad()
def test_every_pixel_sees_its_window_within_a_map_of_any_size(
    window: tuple[int, ...], size: tuple[int, ...], shifted: bool
) -> None:
    module = disturbed(WindowAttention(len(size), 4, window=window, shifted=shifted, head_dim=2))
    x = torch.randn(2, 4, *size, dtype=torch.float64)
    torch.testing.assert_close(module(x), by_definition(module, x))


@pytest.mark.parametrize(("size", "shift"), [((8, 12), 0), ((8, 12), 2), ((4, 4), 0)])
def test_a_block_equals_timms(size: tuple[int, int], shift: int) -> None:
    theirs = disturbed(SwinTransformerBlock(8, size, num_heads=2, window_size=4, shift_size=shift))
    # a single window is not shifted, so at 4 x 4 ours may be
    ours = disturbed(SwinBlock(2, 8, window=4, shifted=shift > 0 or size == (4, 4), head_dim=4))
    state = theirs.state_dict()
    names = {
        "attention_norm": "norm1",
        "attention.qkv": "attn.qkv",
        "attention.out": "attn.proj",
        "mlp_norm": "norm2",
        "mlp.0": "mlp.fc1",
        "mlp.2": "mlp.fc2",
    }
    given = {f"{a}.{kind}": state[f"{b}.{kind}"] for a, b in names.items() for kind in ("weight", "bias")}
    given["attention.table"] = state["attn.relative_position_bias_table"]
    ours.load_state_dict({key: given[key].reshape(value.shape) for key, value in ours.state_dict().items()})
    x = torch.randn(2, 8, *size, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x.movedim(1, -1)).movedim(-1, 1))


def test_it_compiles_as_one_graph() -> None:
    module: nn.Module = WindowAttention(2, 4, window=3, shifted=True, head_dim=2).eval()
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager", dynamic=False)
    x = torch.randn(2, 4, 7, 8)
    with torch.inference_mode():
        torch.testing.assert_close(compiled(x), module(x))


def test_the_windows_of_the_second_block_are_shifted() -> None:
    first, second = (block for block in swin_pair(2, 8, 8, head_dim=4) if isinstance(block, SwinBlock))
    assert (first.attention.shift, second.attention.shift) == ((0, 0), (3, 3))


def test_stochastic_depth_rises_evenly_and_is_refused_where_there_is_none() -> None:
    pairs = nn.Sequential(swin_pair(2, 4, 4, head_dim=4), swin_pair(2, 4, 4, head_dim=4))
    ramp_drop_path(pairs, 0.3)
    rates = [block.drop_path.drop_prob for block in pairs.modules() if isinstance(block, SwinBlock)]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"drop_path=0\.1 is for blocks with stochastic depth"):
        ramp_drop_path(nn.Identity(), 0.1)


def test_heads_and_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="heads of 32 channels do not divide 48"):
        WindowAttention(2, 48)
    with pytest.raises(ValueError, match=r"window \[7, 7\] must list 3 sizes"):
        WindowAttention(3, 32, window=(7, 7))
