"""Raw downloads: what is expected of a tree, what is passed over, and how masks are decoded."""

import csv
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.arrays import ids_of_colours, library, read_grey, read_picture, stack_volumes
from data.raw import Raw, Row, write_rows
from PIL import Image

ROOT = Path(__file__).parents[2]
Prepared = Callable[[str, str], tuple[Path, Path]]


def prepare(name: str, *arguments: Path | str) -> int:
    code = runpy.run_path(str(ROOT / "data" / name / "prepare.py"))["main"]([str(a) for a in arguments])
    assert isinstance(code, int)
    return code


def rows(out: Path, manifest: str = "manifest.csv") -> list[dict[str, Any]]:
    with open(out / manifest, newline="") as file:
        return list(csv.DictReader(file))


def ids(path: Path) -> list[int]:
    return [int(i) for i in np.unique(np.asarray(Image.open(path)))]


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_wrong_tree_prints_expected_against_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = files(tmp_path / "raw", "images/a.jpg", "images/b.jpg", "mask/a.jpg", "masks/._a.jpg", "readme.txt")
    assert prepare("kvasir_seg", raw, "--out", tmp_path / "out") == 2
    told = [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]
    assert told == [
        f"error: {raw}: is not the download, nor does it hold it",
        "expected (kvasir_seg) found",
        "images/*.jpg 2 files",
        "masks/*.jpg nothing",
        "in the folder: images/, mask/, masks/, readme.txt",
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "script",
    # the demo is made, not downloaded
    [script for script in sorted((ROOT / "data").glob("*/make_sample.py")) if script.parent.name != "demo"],
    ids=lambda p: p.parent.name,
)
def test_every_script_says_what_it_expected(
    script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raw").mkdir()
    assert prepare(script.parent.name, tmp_path / "raw", "--out", tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert "expected (" in told
    assert "nothing" in told


def test_tree_is_found_two_folders_down_and_hidden_files_are_none_of_it(tmp_path: Path) -> None:
    files(tmp_path, "x.zip", "__MACOSX/Set/a/._1.png", "x/Set/a/1.png", "x/Set/a/._1.png", "x/Set/b/.c/2.png")
    raw = Raw(tmp_path, {"first": ("a/*.jpg",), "second": ("a/*.png",)})
    assert (raw.layout, raw.folder) == ("second", tmp_path / "x" / "Set")
    assert [path.name for path in raw.files("**/*.png")] == ["1.png"]
    with pytest.raises(FileNotFoundError, match=r"b/1\.png: no such file, though"):
        raw.one("b/1.png")


def test_manifest_is_relative_below_its_folder_and_absolute_elsewhere(tmp_path: Path) -> None:
    files(tmp_path, "out/masks/a.png", "raw/a b.nii.gz")
    write_rows(
        tmp_path / "out" / "manifest.csv",
        [Row(tmp_path / "raw" / "a b.nii.gz", tmp_path / "out" / "masks" / "a.png", "p1")],
    )
    (row,) = rows(tmp_path / "out")
    assert row == {
        "image": str(tmp_path / "raw" / "a b.nii.gz"),
        "mask": "masks/a.png",
        "split": "",
        "group": "p1",
        "name": "a b",
    }
    with pytest.raises(FileNotFoundError, match="no image with its mask"):
        write_rows(tmp_path / "out" / "manifest.csv", [])


def test_colour_without_an_id_is_refused_and_a_smeared_one_is_not(tmp_path: Path) -> None:
    picture = np.full((4, 4, 3), 252, np.uint8)
    picture[0] = (3, 1, 250)
    Image.fromarray(picture).save(tmp_path / "m.png")
    ids = {(255, 255, 255): 4, (0, 0, 255): 7}
    assert ids_of_colours(tmp_path / "m.png", ids)[:, 0].tolist() == [7, 4, 4, 4]
    with pytest.raises(ValueError, match=r"has the colour \(0, 0, 255\) in 4 pixels"):
        ids_of_colours(tmp_path / "m.png", {(255, 255, 255): 4})
    with pytest.raises(ValueError, match=r"has the colour \(3, 1, 250\)"):
        ids_of_colours(tmp_path / "m.png", {(252, 252, 252): 4, (0, 0, 63): 7})


def test_masks_are_decoded_as_their_exif_orientation_shows_them(tmp_path: Path) -> None:
    seen = np.zeros((8, 12), np.uint8)
    seen[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it right
    Image.fromarray(np.ascontiguousarray(np.rot90(seen))).save(tmp_path / "m.png", exif=exif)
    assert (read_grey(tmp_path / "m.png") == seen).all()
    assert (read_picture(tmp_path / "m.png") == seen).all()


def test_channels_of_other_sizes_are_refused(tmp_path: Path) -> None:
    nibabel = library("nibabel")
    for name, depth in (("a", 3), ("b", 4)):
        nibabel.save(
            nibabel.Nifti1Image(np.zeros((5, 5, depth), np.int16), np.eye(4)), tmp_path / f"{name}.nii"
        )
    with pytest.raises(ValueError, match=r"b\.nii: has the shape \(5, 5, 4\)"):
        stack_volumes(tmp_path / "out.nii", [tmp_path / "a.nii", tmp_path / "b.nii"])
    with pytest.raises(ImportError, match="pip install no_such_library"):
        library("no_such_library")


def test_jpg_masks_become_two_ids(prepared: Prepared) -> None:
    raw, out = prepared("kvasir_seg", "kvasir_seg")
    grey = next((raw / "Kvasir-SEG" / "masks").iterdir())
    assert len(ids(grey)) > 2
    assert ids(out / "masks" / f"{grey.stem}.png") == [0, 1]
    assert [row["split"] for row in rows(out)].count("test") == 2


def test_gif_masks_are_joined_with_the_field_of_view(prepared: Prepared) -> None:
    _, out = prepared("drive", "drive")
    mask = np.asarray(Image.open(out / "masks" / "21_training.png"))
    assert ids(out / "masks" / "21_training.png") == [0, 1, 255]
    assert mask[0, 0] == mask[-1, -1] == 255
    assert mask[20, 18] < 2


def test_test_is_measured_on_eroded_labels(prepared: Prepared) -> None:
    _, out = prepared("vaihingen", "vaihingen")
    found = {row["name"]: ids(out / row["mask"]) for row in rows(out)}
    assert found["area1"] == [0, 1, 2, 3, 4, 5]
    assert found["area2"] == [0, 1, 2, 3, 4, 5, 255]


def test_potsdams_wrong_tile_is_left_out(prepared: Prepared) -> None:
    _, out = prepared("potsdam", "potsdam")
    assert "7_10" not in {row["group"] for row in rows(out)}


def test_scans_of_one_patient_are_one_group(prepared: Prepared) -> None:
    _, out = prepared("brats", "brats2023")
    groups = [row["group"] for row in rows(out)]
    assert groups[:3] == ["BraTS-GLI-00000", "BraTS-GLI-00000", "BraTS-GLI-00002"]
    assert [path.name for path in (out / "unlabelled").iterdir()] == ["BraTS-GLI-00006-000.nii.gz"]


def test_mask_with_a_flipped_header_is_put_on_its_image(prepared: Prepared) -> None:
    nibabel = library("nibabel")
    _, out = prepared("lits", "lits")
    written = {row["name"]: row["mask"] for row in rows(out) if row["mask"].startswith("masks/")}
    assert list(written) == ["volume-3"]
    row = next(row for row in rows(out) if row["name"] == "volume-3")
    np.testing.assert_allclose(nibabel.load(out / row["mask"]).affine, nibabel.load(row["image"]).affine)


def test_nuclei_are_numbered_beside_their_mask(prepared: Prepared) -> None:
    _, out = prepared("dsb2018_nuclei", "dsb2018_nuclei")
    name = rows(out)[0]["image"].removeprefix("images/")
    assert ids(out / "masks" / name) == [0, 255]
    assert ids(out / "instances" / name) == [0, 1, 2, 3]


def test_parts_that_are_reported_apart_have_manifests_of_their_own(prepared: Prepared) -> None:
    _, out = prepared("glas", "glas")
    assert {row["split"] for row in rows(out, "manifest_testB.csv")} == {"test"}
    assert len(rows(out)) == 8
    _, out = prepared("sen1floods11", "sen1floods11")
    assert [row["group"] for row in rows(out, "manifest_s1_bolivia.csv")] == ["Bolivia_103757"]
    assert not [row for row in rows(out) if "Bolivia" in row["image"]]


def test_tiles_of_one_scene_stay_together_in_the_other_manifest(prepared: Prepared) -> None:
    _, out = prepared("landcover_ai", "landcover_ai")
    scenes: dict[str, set[str]] = {}
    for row in rows(out):
        scenes.setdefault(Path(row["image"]).stem.rpartition("_")[0], set()).add(row["split"])
    assert all(splits == {"train", "val", "test"} for splits in scenes.values()), "the published split tears"
    whole = rows(out, "manifest_by_scene.csv")
    assert {row["group"] for row in whole} == set(scenes)
    assert {row["split"] for row in whole} == {""}


def test_sections_of_the_stack_are_split_in_blocks(prepared: Prepared) -> None:
    _, out = prepared("isbi2012_em", "isbi2012_em")
    assert [row["split"] for row in rows(out)] == ["train"] * 4 + ["val", "test"]
    assert len(list((out / "unlabelled").iterdir())) == 2


def test_frames_of_one_sequence_are_one_group(prepared: Prepared, tmp_path: Path) -> None:
    raw, out = prepared("cvc_clinicdb", "cvc_clinicdb")
    assert [row["group"] for row in rows(out)][::2] == ["sequence1", "sequence2", "sequence3", "sequence29"]
    (raw / "metadata.csv").write_text("frame_id,sequence_id\n1,17\n2,17\n")
    assert prepare("cvc_clinicdb", raw, "--out", tmp_path) == 0
    (raw / "metadata.csv").unlink()
    assert [row["group"] for row in rows(tmp_path)][:3] == ["sequence17", "sequence17", "sequence2"]
