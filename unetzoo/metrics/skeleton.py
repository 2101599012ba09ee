"""The overlap of thin structures."""

import numpy as np

__all__ = ["centreline_dice"]


def centreline_dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Topology precision and sensitivity of two bool masks (*size), each with a pixel, as their F1 (clDice).

    Shit et al. 2021, "clDice", arXiv:2003.07311, section 3: the fraction of the prediction's skeleton that
    lies in the reference, the fraction of the reference's that lies in the prediction, their harmonic mean.
    Skeletons are scikit-image's, as in the authors' figures.

    Raises:
        ImportError: Without scikit-image.
    """
    try:
        from skimage.morphology import skeletonize
    except ImportError as error:
        raise ImportError("cldice needs scikit-image; pip install 'unetzoo[skeleton]'") from error

    lines = [skeletonize(mask) > 0 for mask in (prediction, reference)]  # type: ignore[no-untyped-call]
    precision, sensitivity = float(reference[lines[0]].mean()), float(prediction[lines[1]].mean())
    return 2 * precision * sensitivity / (precision + sensitivity) if precision + sensitivity else 0.0
