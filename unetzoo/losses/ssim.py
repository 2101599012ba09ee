"""Structural similarity as a loss: whether an image was rebuilt with its structure, not only its values."""

import torch
from torch import Tensor, nn

__all__ = ["StructuralDissimilarity"]


class StructuralDissimilarity(nn.Module):
    """``1 - SSIM``, 0 for equal images (Wang et al. 2004, doi:10.1109/TIP.2003.819861, eq. 13).

    MONAI's value, in one pass per axis instead of a full window, which in 3D is 40 times less.

    Args:
        window: Side of the Gaussian window in pixels or voxels, odd; an axis shorter than it takes the
            largest odd window that fits.
        sigma: Of the Gaussian, in pixels or voxels.
        value_range: Largest value minus smallest.
    """

    def __init__(self, *, window: int = 11, sigma: float = 1.5, value_range: float = 1.0) -> None:
        super().__init__()
        if window < 1 or window % 2 == 0:
            raise ValueError(f"window={window} must be odd and positive")
        self.window, self.sigma = window, sigma
        self.c1, self.c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Two images (B, C, *size) to a scalar."""
        luminance, structure = self.maps(image, reference)
        return 1 - (luminance * structure).mean()

    def maps(self, image: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """SSIM's two factors, luminance and contrast with structure, for every window inside the image."""
        # variances are differences of large numbers, which half precision loses
        with torch.autocast(image.device.type, enabled=False):
            wide = torch.float64 if image.dtype == torch.float64 else torch.float32
            x, y = image.to(wide), reference.to(wide)
            mean_x, mean_y = self.blur(x), self.blur(y)
            variances = self.blur(x * x + y * y) - mean_x**2 - mean_y**2
            covariance = self.blur(x * y) - mean_x * mean_y
            luminance = (2 * mean_x * mean_y + self.c1) / (mean_x**2 + mean_y**2 + self.c1)
            return luminance, (2 * covariance + self.c2) / (variances + self.c2)

    def blur(self, x: Tensor) -> Tensor:
        """Gaussian means of all windows that lie inside the image."""
        for axis in range(2, x.dim()):
            window = min(self.window, (x.shape[axis] - 1) // 2 * 2 + 1)
            place = torch.arange(window, dtype=torch.float64) - window // 2
            kernel = (-0.5 * (place / self.sigma) ** 2).softmax(0).tolist()
            # a sum of shifted images is several times faster on a CPU than a convolution of one channel
            inside = x.shape[axis] - window + 1
            shifted = [w * x.narrow(axis, k, inside) for k, w in enumerate(kernel)]
            x = sum(shifted[1:], shifted[0])
        return x
