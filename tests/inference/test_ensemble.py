from collections.abc import Callable

import numpy as np
import pytest

from unetzoo.inference import Contract, DataSpec, ImageTarget
from unetzoo.inference.decode import probabilities_of_logits
from unetzoo.inference.ensemble import Ensemble, Member

Make = Callable[..., Contract]
Spec = Callable[..., DataSpec]


def members(contract: Contract, *logits: np.ndarray) -> list[Member]:
    return [Member(lambda _, one=one: one, contract, f"{i}.onnx") for i, one in enumerate(logits)]  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["softmax", "one logit", "layers"])
def test_probabilities_are_the_mean_of_the_members(
    contract: Make, spec: Spec, rng: np.random.Generator, kind: str
) -> None:
    data = spec(
        classes=("ground", "house") if kind == "one logit" else ("a", "b", "c"), multilabel=kind == "layers"
    )
    given = contract(data, activation="softmax" if kind == "softmax" else "sigmoid")
    answers = rng.normal(0, 6, (3, 2, 1 if kind == "one logit" else 3, 4, 5)).astype(np.float32)
    mean = Ensemble(members(given, *answers))(np.zeros((2, 3, 4, 5), np.float32))
    for i in range(2):
        expected = np.mean([probabilities_of_logits(a[i], given) for a in answers], axis=0)
        np.testing.assert_allclose(probabilities_of_logits(mean[i], given), expected, atol=2e-6)


def test_one_overconfident_member_does_not_outvote_two(contract: Make) -> None:
    doubtful, sure = np.zeros((1, 3, 1, 1), np.float32), np.zeros((1, 3, 1, 1), np.float32)
    doubtful[0, 0], sure[0, 1] = 3, 1000
    mean = Ensemble(members(contract(), doubtful, doubtful, sure))(np.zeros((1, 3, 1, 1), np.float32))
    assert mean[0].argmax() == 0
    assert np.isfinite(mean).all()


def test_predicted_images_are_averaged(contract: Make, spec: Spec) -> None:
    data = spec(classes=(), target=ImageTarget(("ct",), (0.0,), (1.0,), (0.0, 1.0)))
    given = contract(data, activation="none")
    low, high = np.full((1, 1, 2, 2), 1.0, np.float32), np.full((1, 1, 2, 2), 4.0, np.float32)
    assert (Ensemble(members(given, low, high))(low) == 2.5).all()


def test_models_of_other_data_are_not_averaged(contract: Make, spec: Spec) -> None:
    one, other = contract(), contract(spec(bands=("nir", "red", "green")))
    with pytest.raises(ValueError, match=r"b\.onnx: differs from a\.onnx in bands \(.*nir.* and .*red"):
        Ensemble([Member(lambda b: b, one, "a.onnx"), Member(lambda b: b, other, "b.onnx")])
