"""Sets written in nnU-Net's raw format pass nnU-Net's own check, and read back as they were written."""

import json
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from unetzoo.cli import main
from unetzoo.datasets.classes import parse_classes
from unetzoo.datasets.datamodule import SegmentationData
from unetzoo.datasets.nnunet import labels_of, write_nnunet
from unetzoo.inference.contract import DataSpec, Normalisation

ROOT = Path(__file__).parents[2]
Loaded = Callable[[str, Path], SegmentationData]
SETS = [  # folder, layout, and the format that is written
    ("acdc", "acdc", ".nii.gz"),  # volumes, left-handed
    ("brats", "brats2021", ".nii.gz"),  # four channels, regions
    ("isic2018", "isic2018", ".png"),  # colour pictures, masks 0/255
    ("vaihingen", "vaihingen", ".tif"),  # no background, ignored pixels
    ("sen1floods11", "sen1floods11_s1", ".tif"),  # placed, negative values, NaN, -1
]


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory,
    prepared: Callable[[str, str], tuple[Path, Path]],
    loaded: Loaded,
) -> Callable[[str, str], tuple[SegmentationData, Path]]:
    """The set, and its copy for nnU-Net."""
    made: dict[str, tuple[SegmentationData, Path]] = {}

    def write(folder: str, layout: str) -> tuple[SegmentationData, Path]:
        if layout not in made:
            data = loaded(layout, prepared(folder, layout)[1])
            made[layout] = data, tmp_path_factory.mktemp("nnUNet_raw") / "Dataset501_Set"
            write_nnunet(*made[layout])
        return made[layout]

    return write


def composed(command: str) -> SegmentationData:
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", [word for word in shlex.split(command) if word.startswith("data")])
    data = instantiate(config.data, augment=None)
    assert isinstance(data, SegmentationData)
    return data


@pytest.mark.parametrize(("folder", "layout", "ending"), SETS, ids=[layout for _, layout, _ in SETS])
def test_set_reads_back_as_it_was_written(
    written: Callable[[str, str], tuple[SegmentationData, Path]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    folder: str,
    layout: str,
    ending: str,
) -> None:
    data, out = written(folder, layout)
    assert json.loads((out / "dataset.json").read_text())["file_ending"] == ending
    assert (
        runpy.run_path(str(ROOT / "data/nnunet_raw/prepare.py"))["main"]([str(out), "--out", str(tmp_path)])
        == 0
    )
    (command,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("unetzoo train "))
    again = composed(command)
    assert again.spec.bands == data.spec.bands
    assert [c.name for c in again.spec.classes] == [c.name for c in data.spec.classes]
    for split in ("train", "val", "test"):
        cases = {case.name: case for case in again.cases(split)}
        assert cases.keys() == {case.name for case in data.cases(split)}
        for case in data.cases(split):
            before, after = data.read(case), again.read(cases[case.name])
            np.testing.assert_array_equal(after.mask, before.mask)
            valid = before.image.valid
            np.testing.assert_array_equal(after.image.data[:, valid], before.image.data[:, valid])
            assert after.image.data.dtype == before.image.data.dtype
            if before.image.spacing is not None:
                assert after.image.spacing == pytest.approx(before.image.spacing)


@pytest.mark.parametrize(("folder", "layout", "ending"), SETS, ids=[layout for _, layout, _ in SETS])
def test_nnunets_own_check_passes(
    written: Callable[[str, str], tuple[SegmentationData, Path]], folder: str, layout: str, ending: str
) -> None:
    pytest.importorskip("nnunetv2", reason="nnU-Net is 700 MB with all it needs; pip install nnunetv2")
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    verify_dataset_integrity(str(written(folder, layout)[1]), num_processes=1)


def spec(classes: dict[str, object], *, multilabel: bool = False) -> DataSpec:
    known = parse_classes(classes, multilabel=multilabel)
    return DataSpec(2, ("grey",), known, Normalisation("zscore"), (8, 8), multilabel=multilabel)


def test_regions_are_drawn_from_the_outside_in() -> None:
    labels = labels_of(spec({"enhancing": 4, "whole": [1, 2, 4], "core": [1, 4]}, multilabel=True))
    assert list(labels.names) == ["background", "whole", "core", "enhancing"]
    assert labels.names["core"] == [1, 3]
    assert labels.regions_class_order == [2, 1, 3]
    assert labels.ignore == 4


def test_regions_that_cross_are_refused() -> None:
    with pytest.raises(ValueError, match="one label map cannot hold"):
        labels_of(spec({"left": [1, 2], "right": [2, 3], "up": [1, 3]}, multilabel=True))


def test_classes_without_background_get_one() -> None:
    labels = labels_of(spec({"land": 3, "water": 7}))
    assert labels.names == {"background": 0, "land": 1, "water": 2}
    assert (labels.table, labels.ignore) == ({0: 1, 1: 2}, 3)


def test_command_writes_a_set(
    prepared: Callable[[str, str], tuple[Path, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "Dataset027_ACDC"
    arguments = ["data", "to-nnunet", "data=acdc", f"data.root={prepared('acdc', 'acdc')[1]}"]
    assert main([*arguments, f"out={out}"]) == 0
    assert "nnUNetv2_plan_and_preprocess -d 027" in capsys.readouterr().out
    assert len(list((out / "labelsTr").iterdir())) == 6
    assert main(arguments) == 2
    assert "out=... is missing" in capsys.readouterr().err


def test_folders_that_nnunet_does_not_take_or_that_are_in_use_are_refused(
    written: Callable[[str, str], tuple[SegmentationData, Path]], tmp_path: Path
) -> None:
    data, out = written("acdc", "acdc")
    with pytest.raises(ValueError, match="must be named like Dataset501_Name"):
        write_nnunet(data, tmp_path / "acdc")
    with pytest.raises(ValueError, match="is not empty"):
        write_nnunet(data, out)
