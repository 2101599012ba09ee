"""What an attention gate does to a skip."""

from torch import Tensor
from torch.nn import functional as F

from unetzoo.nd import resize

__all__ = ["gate_by_definition", "gate_weights", "projected"]


def gate_weights(theta: Tensor, signal: Tensor, psi: Tensor, bias: Tensor, factor: tuple[int, ...]) -> Tensor:
    """``sigmoid(psi relu(theta + up(signal)) + bias)``, one weight per pixel (arXiv:1804.03999, eq. 1).

    Args:
        theta: (B, F, *size), the projected skip.
        signal: (B, F, *(size / factor)), the projected gating signal, resampled linearly here.
        psi: (1, F, 1, ...), weights of a 1x1 convolution.
        bias: (1,), its bias.

    Returns:
        (B, 1, *size).
    """
    return _weights(resize(factor)(signal), theta, psi, bias)


def gate_by_definition(
    skip: Tensor,
    project: Tensor,
    signal: Tensor,
    psi: Tensor,
    bias: Tensor,
    factor: tuple[int, ...],
    gain: float,
) -> Tensor:
    """``gain skip gate_weights(project skip, ...)``, (B, C, *size); ``project`` is (F, C, 1, ...)."""
    resampled = resize(factor)(signal)
    # the skip last, whose product with the weights reads it again
    return skip * (gain * _weights(resampled, projected(skip, project), psi, bias))


def projected(skip: Tensor, project: Tensor) -> Tensor:
    """(B, C, *size) by a 1x1 convolution of weights (F, C, 1, ...) to (B, F, *size)."""
    conv = F.conv2d if skip.dim() == 4 else F.conv3d
    return conv(skip, project)


def _weights(signal: Tensor, theta: Tensor, psi: Tensor, bias: Tensor) -> Tensor:
    conv = F.conv2d if theta.dim() == 4 else F.conv3d
    return conv(F.relu(signal + theta), psi, bias).sigmoid()
