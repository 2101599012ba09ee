from typing import Any

import pytest
import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPP as Theirs
from torch import Tensor, nn

from unetzoo.blocks import ASPP, PooledBatchNorm
from unetzoo.levels import Level


def aspp(ndim: int = 2, **options: Any) -> ASPP:
    torch.manual_seed(0)
    small: dict[str, Any] = {"channels": 4, "rates": (1, 2)}
    return ASPP(Level(5, (16,) * ndim), **(small | options))


def spread(module: nn.Module) -> None:
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.add_(0.3 * torch.rand_like(tensor))


def test_equals_the_one_of_segmentation_models_pytorch() -> None:
    ours = aspp(rates=(2, 3, 4), channels=6).eval()
    theirs = Theirs(5, 6, (2, 3, 4), separable=False, dropout=0.1).eval()
    spread(theirs)
    # modules stand in the same order, branches before the mean before the projection
    assert len(ours.state_dict()) == len(theirs.state_dict())
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    x = torch.randn(2, 5, 9, 11)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def test_separable_branches_are_depthwise_with_an_activation_between() -> None:
    branch: Any = aspp(separable=True).branches[1]
    assert [type(layer).__name__ for layer in branch] == ["Conv2d", "BatchNorm2d", "ReLU"] * 2
    assert (branch[0].groups, branch[0].dilation, branch[3].kernel_size) == (5, (1, 1), (1, 1))


@pytest.mark.parametrize("ndim", [2, 3])
def test_on_a_single_pixel_a_dilated_branch_is_its_centre_alone(ndim: int) -> None:
    branch: Any = aspp(ndim).eval().branches[2]
    x = torch.randn(1, 5, *[1] * ndim)
    centre = branch[0].weight[(..., *[1] * ndim)]
    expected = branch[2](
        branch[1](torch.einsum("oi,bi->bo", centre, x.flatten(1)).reshape(1, 4, *[1] * ndim))
    )
    torch.testing.assert_close(branch(x), expected)


def test_the_mean_says_the_same_everywhere() -> None:
    block = aspp().eval()
    seen: list[Tensor] = []
    block.project.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    block(torch.randn(2, 5, 6, 7))
    whole = seen[0][:, -4:]
    assert torch.equal(whole, whole[..., :1, :1].expand_as(whole))


def test_a_single_image_is_trained_with_running_statistics() -> None:
    block = aspp().train()
    block(torch.randn(1, 5, 6, 7)).square().sum().backward()
    norm = PooledBatchNorm(3)
    spread(norm)
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    x = torch.randn(1, 3, 1, 1)
    trained = norm.train()(x)
    assert all(torch.equal(norm.state_dict()[key], value) for key, value in before.items())
    torch.testing.assert_close(trained, norm.eval()(x))


def test_several_images_are_normalised_together_as_by_torch() -> None:
    x = torch.randn(4, 3, 1, 1)
    torch.testing.assert_close(PooledBatchNorm(3).train()(x), nn.BatchNorm2d(3).train()(x))
