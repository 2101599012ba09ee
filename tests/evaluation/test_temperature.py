"""The temperature that is fitted is the one that was planted, and it travels with the model."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.conftest import FakeData, FakeSample, make_image, make_spec

from unetzoo.evaluation.temperature import calibrate, fit_temperature, negative_log_likelihood
from unetzoo.inference.cleaning import Cleaning
from unetzoo.inference.contract import IGNORE, Contract
from unetzoo.inference.predictor import Predictor


def drawn(logits: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Labels (1, pixels) that are as frequent as the logits say."""
    p = np.exp(logits) / np.exp(logits).sum(0)
    return np.asarray((random.random(p.shape[1]) > p.cumsum(0)).sum(0)[None]).clip(0, len(p) - 1)


@pytest.mark.parametrize("planted", [0.4, 1.0, 3.0])
def test_planted_temperatures_are_found_and_calibrate(planted: float) -> None:
    random = np.random.default_rng(0)
    true = random.normal(0, 2, (3, 30_000))
    fit = fit_temperature(true * planted, drawn(true, random))
    assert fit.temperature == pytest.approx(planted, rel=0.05)
    assert fit.after < 0.01
    assert fit.after <= fit.before + 1e-3


def test_one_logit_and_overlapping_classes_have_the_likelihood_of_torch() -> None:
    import torch

    random = np.random.default_rng(1)
    logits, labels = random.normal(0, 2, (2, 50)), random.integers(0, 2, (2, 50))
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(logits), torch.from_numpy(labels).double()
    )
    assert negative_log_likelihood(logits, labels) == pytest.approx(float(theirs))
    three, ids = random.normal(0, 2, (3, 50)), random.integers(0, 3, (1, 50))
    theirs = torch.nn.functional.cross_entropy(torch.from_numpy(three).T, torch.from_numpy(ids[0]))
    assert negative_log_likelihood(three, ids) == pytest.approx(float(theirs))


def noisy() -> tuple[FakeData, Predictor]:
    """A set on which a network that answers its own input is four times too sure."""
    random = np.random.default_rng(2)
    samples = {}
    for i in range(3):
        true = random.normal(0, 2, (24, 24)).astype(np.float32)
        mask = (random.random(true.shape) < 1 / (1 + np.exp(-true))).astype(np.uint8)
        mask[:4] = IGNORE
        samples[f"c{i}"] = FakeSample(make_image(true[None]), mask)
    data = FakeData(make_spec(), samples)
    contract = Contract("t", data.spec, "sigmoid", (1, 1), True)
    return data, Predictor(lambda batch: (batch - 0.5) * 60, contract)


def test_calibrating_refuses_the_test_split_and_fits_on_labelled_pixels_of_cases() -> None:
    data, predictor = noisy()
    with pytest.raises(ValueError, match="split=test is for measuring alone"):
        calibrate(predictor, data, "test")
    cases = data.cases("test")
    data.cases = lambda split: cases  # type: ignore[method-assign]
    fit = calibrate(predictor, data, "val")
    assert fit.pixels == 3 * 20 * 24
    assert fit.after < fit.before


def test_a_folder_of_save_pretrained_keeps_its_temperature(tmp_path: Path) -> None:
    import unetzoo
    from unetzoo.hub import load, store
    from unetzoo.predictor import Predictor as TorchPredictor

    model = unetzoo.create_model("unet", encoder="conv2d", in_channels=1, classes=2)
    model.data = make_spec()
    model.save_pretrained(tmp_path / "m")
    before = json.loads((tmp_path / "m/config.json").read_text())
    store(tmp_path / "m", temperature=1.75, cleaning=[Cleaning(1, fill=True)])
    after = json.loads((tmp_path / "m/config.json").read_text())
    assert {key for key in after if after[key] != before[key]} == {"temperature", "cleaning"}
    contract = TorchPredictor(load(tmp_path / "m")).contract
    assert (contract.temperature, contract.cleaning) == (1.75, (Cleaning(1, fill=True),))
