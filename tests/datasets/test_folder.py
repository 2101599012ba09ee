"""Images and masks find each other by name."""

from pathlib import Path

import pytest

from unetzoo.datasets.folder import read_folder


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a.jpg", "a.png"),
        ("a.JPG", "A.png"),
        ("a.png", "a_mask.gif"),
        ("ISIC_01.jpg", "ISIC_01_segmentation.png"),
        ("case-1.nii.gz", "case-1_seg.nii"),
        ("case_0000.nii.gz", "case.nii.gz"),
        ("12_sat.jpg", "12_mask.png"),
        ("train_1.bmp", "train_1_anno.bmp"),
        ("scan.v2.png", "scan.v2.png"),
    ],
)
def test_partner_is_found_despite_usual_endings(tmp_path: Path, image: str, mask: str) -> None:
    found = read_folder(touch(tmp_path / "i", image), touch(tmp_path / "m", mask))
    assert [(c.image.name, c.mask and c.mask.name) for c in found.cases] == [(image, mask)]
    assert not found.problems


def test_unknown_ending_is_accepted_if_it_serves_every_image(tmp_path: Path) -> None:
    images = touch(tmp_path / "i", "Image_01L.jpg", "Image_01R.jpg")
    masks = touch(tmp_path / "m", "Image_01L_1stHO.png", "Image_01R_1stHO.png", "Image_01L_2ndHO.png")
    found = read_folder(images, masks)
    assert [c.mask and c.mask.name for c in found.cases] == ["Image_01L_1stHO.png", "Image_01R_1stHO.png"]
    assert found.notes == [f"{masks / 'Image_01L_2ndHO.png'}: is the mask of no image in {images}"]


def test_one_number_is_no_ending_of_another(tmp_path: Path) -> None:
    found = read_folder(touch(tmp_path / "i", "1.png", "10.png"), touch(tmp_path / "m", "10.png", "11.png"))
    assert [c.mask and c.mask.name for c in found.cases] == [None, "10.png"]


def test_image_and_mask_in_one_folder(tmp_path: Path) -> None:
    both = touch(tmp_path, "1_sat.jpg", "1_mask.png", "2_sat.jpg", "2_mask.png")
    found = read_folder(both, both)
    assert [(c.name, c.mask and c.mask.name) for c in found.cases] == [
        ("1_sat", "1_mask.png"),
        ("2_sat", "2_mask.png"),
    ]


def test_missing_partner_is_named(tmp_path: Path) -> None:
    found = read_folder(touch(tmp_path / "i", "a.png", "b.png"), touch(tmp_path / "m", "a.png"))
    assert len(found.problems) == 1
    assert "b.png: has no mask" in found.problems[0]


def test_two_partners_are_a_problem_but_the_exact_name_wins(tmp_path: Path) -> None:
    images = touch(tmp_path / "i", "a.png", "b.png")
    masks = touch(tmp_path / "m", "a_mask.png", "a_gt.png", "b.png", "b_mask.png")
    found = read_folder(images, masks)
    assert len(found.problems) == 1
    assert "a_gt.png, a_mask.png" in found.problems[0]
    assert found.cases[1].mask == masks / "b.png"


def test_hidden_and_foreign_files_are_no_images(tmp_path: Path) -> None:
    images = touch(tmp_path / "i", "a.nii.gz", "._a.nii.gz", ".hidden.png", "Thumbs.db", "readme.txt")
    found = read_folder(images, touch(tmp_path / "m", "a.nii.gz", "._a.nii.gz"))
    assert [c.name for c in found.cases] == ["a"]
    assert not found.notes


def test_missing_and_empty_folders_name_their_key(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data\.images=.*nowhere: no such folder"):
        read_folder(tmp_path / "nowhere", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"data\.masks=.*empty: has no file"):
        read_folder(touch(tmp_path / "i", "a.png"), tmp_path / "empty")
