import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from unetzoo.inference import ClassSpec, Contract, DataSpec, ImageTarget, Normalisation
from unetzoo.inference.contract import BLENDS, METHODS, UNITS
from unetzoo.inference.quantisation import PRECISIONS, Quantisation


def test_data_spec_survives_json(spec: Callable[..., DataSpec]) -> None:
    data = spec(
        normalisation=Normalisation("fixed", mean=(1.0, 2.0, 3.5), std=(1.0, 1.0, 0.25)),
        ignore_index=-1,
        nodata=-9999.0,
        spacing=(0.5, 0.25),
        unit="m",
        value_range=(-3.0, 1e6),
    )
    assert DataSpec.from_dict(json.loads(json.dumps(data.to_dict()))) == data


def test_contract_survives_json(contract: Callable[..., Contract]) -> None:
    given = contract(
        licence="CC-BY-4.0",
        overlap=0.5,
        blend="constant",
        weights_sha256="ab" * 32,
        metrics={"val/dice": 0.5, "val/loss": 1.0},
        config="model:\n  depth: 4\n",
    )
    assert Contract.from_json(given.to_json()) == given
    # readers that know no quantisation read what is in float32
    assert "quantisation" not in given.to_json()
    less = contract(quantisation=Quantisation("int8", 0.9, 0.89, (0.0, 0.02), 4, 32, ("conv",)))
    assert Contract.from_json(less.to_json()) == less


def test_optional_keys_may_be_absent(spec: Callable[..., DataSpec]) -> None:
    values = spec().to_dict()
    for key in ("spacing", "unit", "multilabel", "nodata", "value_range", "ignore_index"):
        del values[key]
    assert DataSpec.from_dict(values) == spec()


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"tile": ...}, "lacks the key 'tile'"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"ndim": "2"}, "data.ndim is '2'"),
        ({"ndim": True}, "data.ndim is True"),
        ({"tile": [16, 16.5]}, r"data.tile\[1\] is 16.5"),
        ({"tile": [16]}, "tile"),
        ({"tile": [16, 0]}, "tile"),
        ({"bands": []}, "bands"),
        ({"bands": ["a", "a", "b"]}, "bands"),
        ({"bands": ["a", "b"]}, "3 bands"),
        ({"classes": []}, "0 classes"),
        ({"classes": [{"name": "a", "ids": [0], "color": [0, 0, 0]}]}, "unknown key 'color'"),
        ({"classes": [{"name": "a", "ids": [0], "colour": [0, 0]}]}, r"classes\[0\].colour"),
        ({"classes": [{"name": "a", "ids": [0], "colour": [0, 0, 256]}]}, "256"),
        ({"classes": [{"name": n, "ids": [0], "colour": [0, 0, 0]} for n in "ab"]}, "mask ids"),
        ({"classes": [{"name": "a", "ids": [i], "colour": [0, 0, 0]} for i in range(2)]}, "class names"),
        ({"normalisation": {"method": "z-score"}}, "z-score"),
        ({"normalisation": {"method": "fixed"}}, "fixed"),
        ({"normalisation": {"method": "percentile", "low": 99, "high": 1}}, "low=99"),
        ({"normalisation": "zscore"}, "mapping"),
        ({"unit": "feet"}, "feet"),
        ({"value_range": [0]}, "value_range"),
    ],
)
def test_impossible_data_specs_are_refused_by_name(
    spec: Callable[..., DataSpec], change: dict[str, Any], culprit: str
) -> None:
    values = {key: value for key, value in {**spec().to_dict(), **change}.items() if value is not ...}
    with pytest.raises(ValueError, match=culprit):
        DataSpec.from_dict(values)


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"activation": "relu"}, "relu"),
        ({"activation": "sigmoid"}, "two classes"),
        ({"divisor": (32,)}, "divisor"),
        ({"overlap": 1.0}, "overlap"),
        ({"blend": "hann"}, "hann"),
    ],
)
def test_impossible_contracts_are_refused(
    contract: Callable[..., Contract], change: dict[str, Any], culprit: str
) -> None:
    with pytest.raises(ValueError, match=culprit):
        contract(**change)


def test_softmax_over_classes_that_overlap_is_refused(
    contract: Callable[..., Contract], spec: Callable[..., DataSpec]
) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        contract(spec(multilabel=True))


def test_classes_that_overlap_may_share_ids() -> None:
    classes = tuple(ClassSpec(name, (1,), (0, 0, 0)) for name in ("road", "bridge"))
    assert DataSpec(2, ("g",), classes, Normalisation("zscore"), (8, 8), multilabel=True).classes == classes


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("{", "not JSON"),
        ("[]", "schema version"),
        ("{}", "schema version"),
        ('{"schema": 2}', "schema version 2 but this version reads 1"),
        ('{"schema": 1, "name": "x"}', "lacks the key"),
        ('{"schema": 1, "nom": "x"}', "unknown key 'nom'"),
    ],
)
def test_foreign_contracts_are_refused(text: str, culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        Contract.from_json(text)


def test_page_about_the_contract_names_every_key_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "contract.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    written = {key for line in rows for key in re.findall(r"`(\w+)`", line.split("|")[1])}
    parts = (Contract, DataSpec, ClassSpec, Normalisation, ImageTarget, Quantisation)
    assert written == {"schema"} | {item.name for part in parts for item in fields(part)}
    for words in (*METHODS, *BLENDS, *UNITS, *PRECISIONS):
        assert f"`{words}`" in page
