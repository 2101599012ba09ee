from collections.abc import Callable

import pytest

from unetzoo import create_model
from unetzoo.inference.contract import DataSpec
from unetzoo.predictor import Predictor


def test_a_teacher_does_not_predict(data_of: Callable[..., DataSpec]) -> None:
    tiny = {"encoder.stem": 4, "encoder.stages": [[4, 4, 8], ["4F", 4, 8]]}
    model = create_model("is_net_teacher", in_channels=1, overrides=tiny)
    with pytest.raises(ValueError, match="MaskEncoder is shown masks and not images, so it cannot predict"):
        Predictor(model, data_of(model, (16, 16)))
