"""Learning rates at the beginning, after warm-up and at the end of a run."""

from collections.abc import Callable

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from unetzoo.schedules import constant, cosine, poly


def rates(schedule: Callable[[SGD], LambdaLR], steps: int = 10) -> list[float]:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = schedule(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return [*found, optimizer.param_groups[0]["lr"]]


def test_cosine_warms_up_and_ends_at_its_final_rate() -> None:
    found = rates(lambda o: cosine(o, total_steps=10, warmup=0.2, final=0.1))
    assert found[:3] == pytest.approx([2 / 3, 4 / 3, 2.0])
    assert found[6] == pytest.approx(1.1)  # half way down
    assert found[10] == pytest.approx(0.2)


def test_poly_is_the_formula() -> None:
    found = rates(lambda o: poly(o, total_steps=10))
    assert found == pytest.approx([2 * (1 - i / 10) ** 0.9 for i in range(11)])


def test_constant_stays() -> None:
    assert set(rates(lambda o: constant(o, total_steps=10))) == {2.0}


def test_warmup_is_a_fraction() -> None:
    with pytest.raises(ValueError, match="fraction of the run"):
        rates(lambda o: cosine(o, total_steps=10, warmup=100))
