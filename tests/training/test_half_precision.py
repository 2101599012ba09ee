"""Five hundred steps in half precision with a state space on every skip."""

import pytest
import torch
from torch.nn import functional as F

from unetzoo import create_model


@pytest.mark.slow
def test_no_step_of_a_mamba_network_gives_anything_that_is_no_number() -> None:
    torch.manual_seed(0)
    model = create_model("meunet", in_channels=1, num_classes=2, overrides={"encoder.channels": [4, 8]})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    image = torch.randn(1, 1, 8, 16)
    target = (image[:, 0] > 0).long()
    losses = []
    for _ in range(500):
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(image)
        loss = F.cross_entropy(logits.float(), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimizer.step()
        losses.append(loss.detach())
    assert torch.stack(losses).isfinite().all()
    assert losses[-1] < 0.1 * losses[0]
