"""The selective state space starts as published and stays so."""

import torch
from torch.nn import functional as F

from unetzoo.blocks import StateSpace, token_init


def test_parameters_start_as_published_and_do_not_decay() -> None:
    block = StateSpace(192, state=16, rank=6)
    widths = F.softplus(block.steps.bias)
    assert 1e-3 <= float(widths.min()) < 3e-3
    assert 3e-2 < float(widths.max()) <= 1e-1 + 1e-6
    assert torch.allclose(block.log_decay.exp(), torch.arange(1.0, 17).expand(192, 16))
    assert (block.bypass == 1).all()
    assert block.steps.weight.abs().max() <= 6**-0.5
    kept = {name for name, p in block.named_parameters() if getattr(p, "no_weight_decay", False)}
    assert kept == {"log_decay", "bypass", "steps.bias"}
    # per direction of an SS2D at width 96: x_proj 38 x 192, dt_proj 192 x 6 + 192, A 192 x 16, D 192
    assert sum(p.numel() for p in block.parameters()) == 38 * 192 + 192 * 6 + 192 + 192 * 16 + 192


def test_the_start_of_transformers_leaves_it_alone() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), StateSpace(8, state=4, rank=2))
    before = {name: p.clone() for name, p in model.named_parameters()}
    token_init(model)
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"0.weight", "0.bias"}


def test_it_stays_finite_in_half_precision_and_reaches_back() -> None:
    block = StateSpace(8, state=4, rank=1)
    tokens = torch.randn(2, 300, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = block(tokens, torch.randn(2, 300, 8))
    (grad,) = torch.autograd.grad(y[:, -1].float().sum(), tokens)
    assert y.isfinite().all()
    assert grad[:, 0].abs().sum() > 0
