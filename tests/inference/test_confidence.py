"""Temperature and entropy: what they are, where they are applied, and that labels do not depend on them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from unetzoo.inference.contract import ClassSpec, Contract, DataSpec, Normalisation
from unetzoo.inference.decode import entropy_of_logits, labels_of_logits, probabilities_of_logits
from unetzoo.inference.ensemble import Ensemble, Member
from unetzoo.inference.predictor import Predictor


def contract(classes: int = 3, activation: str = "softmax", *, multilabel: bool = False) -> Contract:
    names = tuple(ClassSpec(f"c{i}", (i,), (i, i, i)) for i in range(classes))
    data = DataSpec(2, ("grey",), names, Normalisation("minmax"), (8, 8), multilabel=multilabel)
    return Contract("toy", data, activation, (1, 1), True)


KINDS = [(3, "softmax", False), (2, "sigmoid", False), (3, "sigmoid", True)]


@pytest.mark.parametrize(("classes", "activation", "multilabel"), KINDS)
def test_temperature_divides_logits_and_leaves_labels(
    classes: int, activation: str, multilabel: bool
) -> None:
    plain = contract(classes, activation, multilabel=multilabel)
    warm = replace(plain, temperature=2.5)
    channels = 1 if activation == "sigmoid" and not multilabel else classes
    logits = np.random.default_rng(0).normal(0, 4, (channels, 7, 9)).astype(np.float32)
    np.testing.assert_array_equal(labels_of_logits(logits, warm), labels_of_logits(logits, plain))
    np.testing.assert_allclose(
        probabilities_of_logits(logits, warm), probabilities_of_logits(logits / 2.5, plain), rtol=1e-5
    )


@pytest.mark.parametrize(("classes", "activation", "multilabel"), KINDS)
def test_entropy_is_0_where_sure_1_where_all_is_equal_and_shannons_between(
    classes: int, activation: str, multilabel: bool
) -> None:
    from scipy.stats import entropy

    of = contract(classes, activation, multilabel=multilabel)
    channels = 1 if activation == "sigmoid" and not multilabel else classes
    assert entropy_of_logits(np.zeros((channels, 2, 2), np.float32), of) == pytest.approx(1)
    sure = np.full((channels, 2, 2), -60, np.float32)
    sure[0] = 60
    assert entropy_of_logits(sure, of) == pytest.approx(0, abs=1e-6)
    logits = np.random.default_rng(1).normal(0, 2, (channels, 5, 4)).astype(np.float32)
    p = probabilities_of_logits(logits, of).astype(np.float64)
    expected = (
        entropy(np.stack([p, 1 - p]), base=2) if multilabel else np.asarray(entropy(p, base=len(p)))[None]
    )
    np.testing.assert_allclose(entropy_of_logits(logits, of), expected, atol=1e-5)


def test_a_contract_without_a_temperature_reads_as_before_and_one_with_it_keeps_it() -> None:
    plain = contract()
    assert "temperature" not in json.loads(plain.to_json())
    assert Contract.from_json(plain.to_json()).temperature == 1
    warm = replace(plain, temperature=1.7)
    assert Contract.from_json(warm.to_json()) == warm
    with pytest.raises(ValueError, match="temperature 0 must be a positive number"):
        replace(plain, temperature=0)


def test_members_of_an_ensemble_keep_their_own_temperature() -> None:
    logits = np.random.default_rng(2).normal(0, 3, (1, 3, 4, 4)).astype(np.float32)
    plain, warm = contract(), replace(contract(), temperature=4.0)
    both = Ensemble([Member(lambda _: logits, plain, "a"), Member(lambda _: logits, warm, "b")])
    assert both.contract.temperature == 1
    mean = (probabilities_of_logits(logits[0], plain) + probabilities_of_logits(logits[0], warm)) / 2
    np.testing.assert_allclose(probabilities_of_logits(both(logits)[0], both.contract), mean, atol=1e-6)


def test_entropy_is_written_beside_the_label_map(tmp_path: Path) -> None:
    picture = np.random.default_rng(3).integers(0, 255, (12, 10)).astype(np.uint8)
    Pillow.fromarray(picture).save(tmp_path / "a.png")
    model = Predictor(
        lambda batch: np.concatenate([0 * batch, batch, 2 * batch], 1), replace(contract(), temperature=0.5)
    )
    (tmp_path / "out").mkdir()
    model.predict_file(tmp_path / "a.png", tmp_path / "out", entropy=True)
    found = np.load(tmp_path / "out/a_entropy.npy")
    assert found.shape == (1, 12, 10)
    scaled = (picture - picture.min()) / np.ptp(picture)
    brightest = found[0][scaled == 1].mean()
    assert found[0][scaled == 0] == pytest.approx(1, abs=0.05)
    assert brightest < 0.9
