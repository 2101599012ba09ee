import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unetzoo.inference.contract import IGNORE
from unetzoo.losses import Lovasz


def naive(errors: list[float], truth: list[int]) -> float:
    """The definition: from large to small, each error times what it adds to the Jaccard loss so far."""
    order = sorted(range(len(errors)), key=lambda i: -errors[i])
    region = {i for i, t in enumerate(truth) if t}
    value, before, wrong = 0.0, 0.0, set[int]()
    for i in order:
        wrong.add(i)
        # foreground pixels in the set are missed, the others are found in addition
        now = 1 - len(region - wrong) / len(region | wrong)
        value += errors[i] * (now - before)
        before = now
    return value


def of_class(p: Tensor, t: Tensor) -> float:
    return naive((t - p).abs().flatten().tolist(), t.flatten().int().tolist())


@pytest.mark.parametrize("batch", [True, False])
def test_it_is_the_definition(batch: bool) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 4, 5, 6), torch.randint(0, 3, (2, 5, 6))  # class 3 does not occur
    target[:, 2] = IGNORE
    keep = target != IGNORE
    p, t = logits.softmax(1), F.one_hot(target.masked_fill(~keep, 0), 4).movedim(-1, 1).float()
    groups = [slice(None)] if batch else [slice(0, 1), slice(1, 2)]
    parts = [[of_class(p[g, c][keep[g]], t[g, c][keep[g]]) for g in groups] for c in range(4)]
    expected = torch.tensor(parts)
    found = Lovasz(activation="softmax", batch=batch)
    torch.testing.assert_close(found(logits, target), expected[:3].mean())
    everything = Lovasz(activation="softmax", batch=batch, present=False)
    torch.testing.assert_close(everything(logits, target), expected.mean())
    weights = Lovasz(activation="softmax", batch=batch, class_weights=[1, 2, 3, 4], include_background=False)
    torch.testing.assert_close(
        weights(logits, target), (expected[1:3].mean(1) * torch.tensor([2, 3])).sum() / 5
    )


def test_of_certain_predictions_it_is_the_jaccard_loss() -> None:
    torch.manual_seed(0)
    found, target = torch.randint(0, 2, (2, 6, 7)), torch.randint(0, 2, (2, 6, 7))
    jaccard = 1 - ((found & target).sum() / (found | target).sum())
    logits = (found * 2 - 1).unsqueeze(1) * 100.0
    torch.testing.assert_close(Lovasz(activation="sigmoid")(logits, target), jaccard)
