"""Parts and holes: what is dropped and filled, how it is chosen on val, and that files and arrays agree."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from tests.inference.test_confidence import contract

from unetzoo.evaluation.cleaning import CleaningChoice
from unetzoo.inference import read_image
from unetzoo.inference.cleaning import Cleaning, clean
from unetzoo.inference.contract import IGNORE, Contract
from unetzoo.inference.predictor import Predictor
from unetzoo.metrics import count, overlap


def picture() -> np.ndarray:
    """A ring of class 1 with a 2 and a 255 in its hole, a diagonal speck of two 1 and one of a 2."""
    labels = np.zeros((12, 14), np.uint8)
    labels[1:8, 1:8] = 1
    labels[3:6, 3:6] = 0
    labels[4, 4], labels[3, 3] = 2, IGNORE
    labels[10, 10], labels[11, 11], labels[9, 12] = 1, 1, 2
    return labels


def cleaned(**how: int) -> np.ndarray:
    return np.asarray(clean(picture()[None], [Cleaning(1, **how)], layers=False)[0])  # type: ignore[arg-type]


def test_small_parts_are_dropped_with_diagonal_neighbours_as_one_and_others_untouched() -> None:
    before = picture()
    assert (cleaned(smallest=2) == before).all()
    after = cleaned(smallest=3)
    assert {tuple(at) for at in np.argwhere(after != before).tolist()} == {(10, 10), (11, 11)}
    assert (cleaned(largest=True) == after).all()


def test_holes_are_filled_where_nothing_else_is() -> None:
    after = cleaned(fill=True)
    assert (after[3:6, 3:6] == np.array([[IGNORE, 1, 1], [1, 2, 1], [1, 1, 1]])).all()
    assert (after[8:] == picture()[8:]).all()


def test_overlapping_classes_are_cleaned_in_their_own_layer() -> None:
    layers = np.stack([picture() == 1, picture() == 1]).astype(np.uint8)
    after = clean(layers, [Cleaning(1, largest=True)], layers=True)
    assert (after[0] == layers[0]).all()
    assert after[1].sum() == layers[1].sum() - 2


def model(*cleaning: Cleaning) -> Predictor:
    """Sees class 1 where the picture is bright."""
    return Predictor(
        lambda batch: np.concatenate([0 * batch + 0.5, batch, 0 * batch], 1),
        replace(contract(), cleaning=cleaning),
    )


def test_files_and_arrays_are_cleaned_alike_and_the_contract_carries_it(tmp_path: Path) -> None:
    Pillow.fromarray((picture() == 1).astype(np.uint8) * 200).save(tmp_path / "a.png")
    plain, dropping = model(), model(Cleaning(1, smallest=3, fill=True))
    image = read_image(tmp_path / "a.png")
    before, after = plain.labels(image), dropping.labels(image)
    assert (before.sum(), after.sum()) == (42, 49)
    assert (dropping.predict(image).labels == after).all()
    dropping.predict_file(tmp_path / "a.png", tmp_path / "b.png")
    assert (np.asarray(Pillow.open(tmp_path / "b.png")) == after).all()
    assert Contract.from_json(dropping.contract.to_json()) == dropping.contract
    assert "cleaning" not in json.loads(plain.contract.to_json())
    with pytest.raises(ValueError, match="for classes 1 to 2"):
        replace(contract(), cleaning=(Cleaning(0, fill=True),))


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"unetzoo-runtime\[cleaning\]"):
        cleaned(fill=True)


def test_the_choice_is_what_measures_best_and_nothing_where_nothing_helps() -> None:
    random = np.random.default_rng(0)
    choice, calm = (CleaningChoice([1, 2], layers=False) for _ in range(2))
    cases = []
    for _ in range(4):
        true = np.zeros((40, 40), np.uint8)
        true[8:30, 10:30] = 1
        found = np.where(random.random(true.shape) < 0.01, 1, true).astype(np.uint8)  # specks
        found[12:14, 15:17] = 0  # a hole
        true[:, 38:] = IGNORE
        cases.append((found, true))
        choice.add(found[None], true[None])
        calm.add(true[None], true[None])
    assert calm.best() == {}
    ((best, (before, after)),) = choice.best().items()
    assert best.index == 1
    assert best.fill
    assert best.smallest >= 8 or best.largest

    def dice(how: list[Cleaning]) -> float:
        made = [(clean(found[None], how, layers=False)[0], true) for found, true in cases]
        return float(np.mean([overlap(count(found, true, 3)).dice[1] for found, true in made]))

    assert before == pytest.approx(dice([]))
    assert after == pytest.approx(dice([best]))
    assert after > before + 0.01


def test_dropping_a_false_alarm_counts_as_a_gain() -> None:
    choice = CleaningChoice([0], layers=True)
    nothing, speck = np.zeros((1, 20, 20), np.uint8), np.zeros((1, 20, 20), np.uint8)
    speck[0, 3, 3:6] = 1
    choice.add(speck, nothing)
    assert choice.best() == {Cleaning(0, smallest=8): (0.0, 1.0)}
