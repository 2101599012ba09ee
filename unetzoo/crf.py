"""A conditional random field after the network: pixels of like intensity agree with their neighbourhood."""

import math

import torch
from torch import Tensor

from unetzoo.losses import SoftNCut

__all__ = ["mean_field"]


@torch.no_grad()
def mean_field(
    probabilities: Tensor,
    image: Tensor,
    *,
    radius: float = 5.0,
    sigma_intensity: float = 0.1,
    sigma_space: float = 3.0,
    appearance: float = 3.0,
    smoothness: float = 0.0,
    iterations: int = 5,
) -> Tensor:
    """Probabilities (B, K, *size) after mean-field inference with a Potts model, for 2D and 3D.

    Krähenbühl & Koltun 2011, "Efficient Inference in Fully Connected CRFs", arXiv:1210.5644, eq. 3 and
    algorithm 1, with two differences: pixels ``radius`` or more apart do not see each other, so that the sums
    are exact instead of filtered on a lattice; and messages are means, so that the weights do not depend on
    the radius. The factors 1/2 of the paper's Gaussians are in the sigmas.

    Args:
        image: (B, C, *size).
        radius: Pixels or voxels, exclusive.
        sigma_intensity: In the image's units, as the distance over all bands.
        sigma_space: Pixels or voxels.
        appearance: Weight of neighbours of like intensity.
        smoothness: Weight of all neighbours alike; 0 saves half of the time.
    """
    unary = probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()
    kernels = [
        (weight, SoftNCut(radius=radius, sigma_intensity=sigma, sigma_space=sigma_space))
        for weight, sigma in ((appearance, sigma_intensity), (smoothness, math.inf))
        if weight
    ]
    q = probabilities
    for _ in range(iterations):
        energy = unary
        for weight, kernel in kernels:
            received, degree = kernel.propagate(q, image)
            # without what a pixel tells itself; one without any neighbour hears nothing
            energy = energy + weight * (received - q) / (degree - 1).clamp(min=1e-6)
        q = energy.softmax(1)
    return q
