"""The classes of the ISPRS benchmarks of Vaihingen and Potsdam."""

import numpy as np

COLOURS = {
    (255, 255, 255): 0,  # impervious
    (0, 0, 255): 1,  # building
    (0, 255, 255): 2,  # low vegetation
    (0, 255, 0): 3,  # tree
    (255, 255, 0): 4,  # car
    (255, 0, 0): 5,  # clutter
    (0, 0, 0): 255,  # border, in the eroded labels
}
"""Red, green and blue of a label to its id."""


def erode(colours: np.ndarray) -> np.ndarray:
    """A label picture (H, W, 3) with the pixels beside another class in black, as in the eroded labels."""
    padded = np.pad(colours, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows, columns = colours.shape[:2]
    same = np.ones((rows, columns), bool)
    for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
        same &= (padded[y : y + rows, x : x + columns] == colours).all(axis=-1)
    return colours * same[..., None]
