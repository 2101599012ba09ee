"""Every measure that is asked for by name, against an independent implementation and on empty masks."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import cdist, directed_hausdorff
from skimage.metrics import hausdorff_distance
from skimage.morphology import skeletonize
from torchmetrics.functional.classification import binary_calibration_error
from torchmetrics.functional.detection import panoptic_quality

from unetzoo.inference.contract import IGNORE
from unetzoo.metrics import EXTRAS, PROBABILISTIC, ClassScore, EmptyPolicy, Tally, diagonal, measure

MASKED = [name for name in EXTRAS if name not in PROBABILISTIC]


def score(
    prediction: np.ndarray,
    reference: np.ndarray,
    *names: str,
    spacing: tuple[float, ...] | None = None,
    empty: EmptyPolicy = "nan",
    numbers: np.ndarray | None = None,
) -> ClassScore:
    (found,) = measure(
        prediction.astype(np.uint8),
        reference.astype(np.uint8),
        classes=[1],
        num_classes=2,
        spacing=spacing or (1.0,) * reference.ndim,
        tolerance=1,
        empty=empty,
        extras=names,
        numbers=numbers,
    )
    return found


def blobs(size: tuple[int, ...], seed: int, smooth: float = 2.0) -> np.ndarray:
    """Several objects, some of them at the image's border."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(size), smooth)
    return np.asarray(field > 0.6 * field.std())


def border(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


PAIRS = [
    pytest.param((40, 33), (1.0, 1.0), id="2D"),
    pytest.param((40, 33), (3.0, 0.5), id="anisotropic"),
    pytest.param((8, 18, 15), (4.0, 1.0, 0.7), id="anisotropic volume"),
]


@pytest.mark.parametrize(("size", "spacing"), PAIRS)
def test_hd_and_assd_equal_all_distances_between_border_pixels(
    size: tuple[int, ...], spacing: tuple[float, ...]
) -> None:
    a, b = blobs(size, 0), blobs(size, 1)
    found = score(a, b, "hd", "assd", spacing=spacing)
    distances = cdist(border(a) * spacing, border(b) * spacing)
    there, back = distances.min(1), distances.min(0)
    assert found["hd"] == pytest.approx(max(there.max(), back.max()), rel=1e-5)
    assert found["assd"] == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-5)


@pytest.mark.parametrize("size", [(50, 41), (9, 24, 20)])
def test_cldice_equals_its_formula_on_both_skeletons(size: tuple[int, ...]) -> None:
    a, b = blobs(size, 4, 3), blobs(size, 5, 3)
    b |= a & (np.indices(size)[-1] < size[-1] // 2)
    lines = [skeletonize(m) for m in (a, b)]  # type: ignore[no-untyped-call]
    precision, recall = (lines[0] & b).sum() / lines[0].sum(), (lines[1] & a).sum() / lines[1].sum()
    assert score(a, b, "cldice")["cldice"] == pytest.approx(2 * precision * recall / (precision + recall))


@pytest.mark.parametrize("size", [(120, 90), (20, 30, 40)])
def test_boundary_iou_equals_repeated_erosion(size: tuple[int, ...]) -> None:
    a, b = blobs(size, 6, 4), blobs(size, 7, 4)
    b |= a & (np.indices(size)[-1] < 20)
    steps = round(0.02 * float(np.linalg.norm(size)))

    def rim(mask: np.ndarray) -> np.ndarray:
        return np.asarray(
            mask & ~ndimage.binary_erosion(mask, np.ones((3,) * mask.ndim, bool), iterations=steps)
        )

    expected = (rim(a) & rim(b)).sum() / (rim(a) | rim(b)).sum()
    assert score(a, b, "boundary_iou")["boundary_iou"] == pytest.approx(expected)


def test_relaxed_f1_equals_a_loop_over_pixels() -> None:
    a, b = blobs((30, 26), 8), blobs((30, 26), 9)
    distances = cdist(np.argwhere(a), np.argwhere(b))
    precision, recall = (distances.min(1) <= 3).mean(), (distances.min(0) <= 3).mean()
    expected = 2 * precision * recall / (precision + recall)
    assert score(a, b, "relaxed_f1")["relaxed_f1"] == pytest.approx(expected)


def objects(mask: np.ndarray) -> list[np.ndarray]:
    numbers, count = ndimage.label(mask, np.ones((3, 3)))
    return [numbers == i + 1 for i in range(count)]


def disturbed(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Objects of which some are moved, some missed and some made up."""
    wanted = blobs((60, 50), seed)
    found = np.roll(wanted, 1, axis=0)
    found[:15] = False
    found[55:, :6] = True
    return found, wanted


@pytest.mark.parametrize("seed", [10, 11])
def test_panoptic_quality_equals_torchmetrics(seed: int) -> None:
    a, b = disturbed(seed)
    maps = []
    for mask in (a, b):
        numbers, _ = ndimage.label(mask, np.ones((3, 3)))
        maps.append(torch.from_numpy(np.stack([mask.astype(np.int64), numbers], -1)[None]))
    theirs = panoptic_quality(maps[0], maps[1], things={1}, stuffs={0}, return_per_class=True)
    assert score(a, b, "pq")["pq"] == pytest.approx(float(theirs[0, 0]))


@pytest.mark.parametrize("seed", [10, 11])
def test_scores_per_object_equal_loops_over_objects(seed: int) -> None:
    a, b = disturbed(seed)
    found, wanted = objects(a), objects(b)
    ours = score(a, b, "map", "object_f1", "object_dice", "object_hd")
    iou = np.array([[(f & w).sum() / (f | w).sum() for w in wanted] for f in found])
    hits = [(iou > t).sum() for t in np.arange(0.5, 0.96, 0.05).round(2)]
    assert ours["map"] == pytest.approx(np.mean([h / (len(found) + len(wanted) - h) for h in hits]))

    def partner(one: np.ndarray, others: list[np.ndarray]) -> np.ndarray | None:
        shared = [(one & other).sum() for other in others]
        return others[int(np.argmax(shared))] if max(shared) else None

    partners = [partner(f, wanted) for f in found]
    true = sum(w is not None and (f & w).sum() >= w.sum() / 2 for f, w in zip(found, partners, strict=True))
    assert ours["object_f1"] == pytest.approx(2 * true / (len(found) + len(wanted)))

    def dice(one: np.ndarray, other: np.ndarray | None) -> float:
        return 0.0 if other is None else float(2 * (one & other).sum() / (one.sum() + other.sum()))

    def far(one: np.ndarray, others: list[np.ndarray]) -> float:
        other = partner(one, others)
        near = others if other is None else [other]
        return min(float(hausdorff_distance(one, o)) for o in near)  # type: ignore[no-untyped-call]

    def side(ones: list[np.ndarray], value: Callable[[np.ndarray], float]) -> float:
        return float(sum(one.sum() * value(one) for one in ones) / sum(one.sum() for one in ones))

    both = side(wanted, lambda w: dice(w, partner(w, found))) + side(
        found, lambda f: dice(f, partner(f, wanted))
    )
    assert ours["object_dice"] == pytest.approx(both / 2)
    both = side(wanted, lambda w: far(w, found)) + side(found, lambda f: far(f, wanted))
    assert ours["object_hd"] == pytest.approx(both / 2)


def test_touching_objects_are_told_apart_where_the_set_numbers_them() -> None:
    wanted = np.zeros((12, 12), np.uint8)
    wanted[2:6, 2:10], wanted[6:10, 2:10] = 3, 7
    one, two = wanted > 0, np.where(np.indices(wanted.shape)[0] == 5, 0, wanted > 0)
    assert score(one, wanted > 0, "pq")["pq"] == 1
    assert score(one, wanted > 0, "pq", numbers=wanted)["pq"] == 0
    assert score(two, wanted > 0, "object_f1", numbers=wanted)["object_f1"] == 1


@pytest.mark.parametrize("name", MASKED)
def test_empty_masks_follow_one_rule(name: str) -> None:
    nothing = np.zeros((30, 40), np.uint8)
    something = nothing.copy()
    something[0:5, 0:7] = 1  # at the border
    perfect = score(something, something, name)[name]
    worst = diagonal((30, 40), (1, 1)) if EXTRAS[name].distance else 0
    assert perfect == (0 if EXTRAS[name].distance else 1)
    assert score(nothing, something, name)[name] == score(something, nothing, name)[name] == worst
    assert np.isnan(score(nothing, nothing, name)[name])
    assert np.isnan(score(nothing, nothing, name, empty="skip")[name])
    assert score(nothing, nothing, name, empty="one")[name] == perfect


@pytest.mark.parametrize("name", MASKED)
def test_what_is_predicted_on_ignored_pixels_does_not_matter(name: str) -> None:
    reference = blobs((40, 33), 12).astype(np.uint8)
    reference[:, 20:] = IGNORE
    tidy = np.roll(reference == 1, 1, axis=0)
    tidy[:, 20:] = False
    spilled = tidy.copy()
    spilled[:, 20:] = True
    assert score(spilled, reference, name)[name] == score(tidy, reference, name)[name]


def test_ece_and_brier_equal_torchmetrics_and_the_formula_on_labelled_pixels() -> None:
    random = np.random.default_rng(0)
    logits = random.standard_normal((3, 20, 25)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(0)
    reference = random.integers(0, 3, (20, 25)).astype(np.uint8)
    reference[:4] = IGNORE
    tally = Tally(reference, [0, 1, 2], multilabel=False)
    for first in range(0, 20, 7):  # as rows come from the network
        tally.append(probabilities[:, first : first + 7])
    scores = measure(
        probabilities.argmax(0).astype(np.uint8),
        reference,
        classes=[0, 1, 2],
        num_classes=3,
        spacing=(1, 1),
        tolerance=1,
        extras=["ece", "brier"],
        trust=tally.found,
    )
    known = reference != IGNORE
    for found in scores:
        p, hit = probabilities[found.index][known], reference[known] == found.index
        theirs = binary_calibration_error(torch.from_numpy(p), torch.from_numpy(hit.astype(int)), n_bins=15)
        assert found["ece"] == pytest.approx(float(theirs), abs=1e-6)
        assert found["brier"] == pytest.approx(((p - hit) ** 2).mean())


def test_hausdorff_of_one_object_each_is_scipys() -> None:
    a, b = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    a[2:6, 3:9], b[4:12, 5:11] = True, True
    points = np.argwhere(a), np.argwhere(b)
    expected = max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
    assert score(a, b, "object_hd")["object_hd"] == pytest.approx(expected)
