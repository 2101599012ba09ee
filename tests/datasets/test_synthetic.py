"""The demo sets: reproducible, hard enough for a threshold, and made whole or not at all."""

import csv
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import rasterio
from PIL import Image

from unetzoo.datasets.datamodule import SegmentationData
from unetzoo.datasets.synthetic import make_nuclei, make_scene, make_volumes

ROOT = Path(__file__).parents[2]


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def test_same_seed_same_files_and_other_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_nuclei(tmp_path / name, count=20, size=48, seed=seed)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a")["images/slide00_00.png"] != files(tmp_path / "c")["images/slide00_00.png"]


def test_no_threshold_is_good_enough_for_the_nuclei(tmp_path: Path) -> None:
    make_nuclei(tmp_path, count=20)
    pairs = [
        (np.asarray(Image.open(f)), np.asarray(Image.open(tmp_path / "masks" / f.name)) > 0)
        for f in sorted((tmp_path / "images").iterdir())
    ]
    best = max(np.mean([dice(x > level, y) for x, y in pairs]) for level in range(10, 250, 8))
    assert 0.5 < best < 0.85  # there is something to see, and something to learn
    own = np.mean([max(dice(x > level, y) for level in range(10, 250, 8)) for x, y in pairs])
    assert own < 0.85


def test_splits_keep_slides_whole(tmp_path: Path) -> None:
    make_nuclei(tmp_path, count=40, size=32)
    with open(tmp_path / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [sum(r["split"] == s for r in rows) for s in ("train", "val", "test")] == [24, 8, 8]
    assert all(len({r["split"] for r in rows if r["group"] == g}) == 1 for g in {r["group"] for r in rows})


def test_scene_has_a_place_bands_and_no_data(tmp_path: Path) -> None:
    make_scene(tmp_path, count=15, size=64)
    gaps = 0
    for path in sorted((tmp_path / "images").iterdir()):
        with rasterio.open(path) as image, rasterio.open(tmp_path / "masks" / path.name) as mask:
            assert image.crs.to_epsg() == 32636
            assert image.transform == mask.transform
            assert image.descriptions == ("red", "green", "blue", "nir")
            assert (image.dtypes[0], image.nodata) == ("uint16", 0)
            empty = (image.read() == 0).all(axis=0)
            assert ((mask.read(1) == 255) == empty).all()
            gaps += bool(empty.any())
    assert 1 <= gaps < 15


def test_volumes_are_oblique_anisotropic_and_of_both_hands(tmp_path: Path) -> None:
    make_volumes(tmp_path, count=10)
    hands, maxima, ids = set(), [], set()
    for path in sorted((tmp_path / "images").iterdir()):
        image: Any = nibabel.load(path)
        mask: Any = nibabel.load(tmp_path / "masks" / path.name)
        assert np.allclose(image.affine, mask.affine)
        assert np.allclose(np.linalg.norm(image.affine[:3, :3], axis=0), (1, 1, 2.5), atol=1e-3)
        assert np.abs(image.affine[:3, :3] - np.diag(np.diag(image.affine)[:3])).max() > 0.01
        hands.add(bool(np.linalg.det(image.affine) > 0))
        maxima.append(image.get_fdata().max())
        ids |= set(np.unique(mask.get_fdata()))
    assert (hands, ids) == ({True, False}, {0, 1, 2})
    assert max(maxima) > 10 * min(maxima)


def test_set_is_made_on_first_use_only(tmp_path: Path) -> None:
    calls: list[Path] = []

    def generate(folder: Path) -> None:
        calls.append(folder)
        make_nuclei(folder, count=20, size=48)

    def data() -> SegmentationData:
        return SegmentationData(root=tmp_path / "sets" / "demo", manifest="manifest.csv", generate=generate)

    assert len(data().cases("train")) == 12
    assert len(data().cases("test")) == 4
    assert len(calls) == 1
    assert [f.name for f in (tmp_path / "sets").iterdir()] == ["demo"]


def test_failed_making_leaves_nothing(tmp_path: Path) -> None:
    def generate(folder: Path) -> None:
        (folder / "images").mkdir()
        raise OSError("disk full")

    data = SegmentationData(root=tmp_path / "demo", manifest="manifest.csv", generate=generate)
    with pytest.raises(OSError, match="disk full"):
        data.prepare_data()
    assert not list(tmp_path.iterdir())


def test_second_process_that_makes_the_same_set_does_no_harm(tmp_path: Path) -> None:
    def generate(folder: Path) -> None:
        make_nuclei(folder, count=20, size=48)
        if not (tmp_path / "demo").exists():  # the other process was faster
            make_nuclei(tmp_path / "demo", count=20, size=48)

    data = SegmentationData(root=tmp_path / "demo", manifest="manifest.csv", generate=generate)
    assert len(data.cases("train")) == 12
    assert [f.name for f in tmp_path.iterdir()] == ["demo"]


def test_command_works_without_the_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = ROOT / "data" / "demo" / "make_sample.py"
    code = (
        "import runpy, sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('unetzoo', 'torch'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        f"sys.argv = ['make_sample.py', 'nuclei', {str(tmp_path / 'made')!r}, '--count', '20']\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    make_nuclei(tmp_path / "library", count=20)
    assert files(tmp_path / "made") == files(tmp_path / "library")
    # fewer than one image per split is refused in a sentence
    main = runpy.run_path(str(script))["main"]
    assert main(["scene", str(tmp_path / "few"), "--count", "3"]) == 2
    assert "ask for at least 15" in capsys.readouterr().err
