"""Cases from a user's own folders: images and masks that belong together by name."""

from collections.abc import Collection, Iterable
from pathlib import Path

from ..inference.files import title
from ..inference.image import SUFFIXES, is_image
from .case import Case, Listing
from .vector_labels import is_vector

IMAGE_ENDINGS = ("_image", "_img", "_sat", "_0000")
MASK_ENDINGS = tuple(
    f"{joint}{word}"
    for word in ("mask", "masks", "label", "labels", "seg", "segmentation", "gt", "groundtruth", "anno")
    for joint in ("_", "-", ".")
)


def list_files(folder: Path, key: str, *, vectors: bool = False) -> list[Path]:
    """The images of a folder, sorted; hidden files and macOS's ``._*`` are none, folders of DICOM slices are.

    Args:
        key: The config key that names the folder, for errors.
        vectors: Files of polygons count, too.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{key}={folder}: no such folder")
    there = (f for f in folder.iterdir() if f.name[0] != ".")
    files = sorted(f for f in there if is_image(f) or (vectors and is_vector(f)))
    if not files:
        raise FileNotFoundError(
            f"{key}={folder}: has no file of the kinds {', '.join(SUFFIXES)}; "
            "subfolders are not searched, files in several folders go into a manifest"
        )
    return files


def read_folder(images: Path, masks: Path, only: Collection[str] | None = None) -> Listing:
    """Pair the files of two folders, which may be the same folder if masks are marked by an ending.

    Args:
        only: File names, with or without their ending, of the images wanted; None: all.
    """
    pictures, labels = list_files(images, "data.images"), list_files(masks, "data.masks", vectors=True)
    if images.resolve() == masks.resolve():
        labels = [f for f in labels if title(f).lower().endswith(MASK_ENDINGS)]
        pictures = [f for f in pictures if f not in set(labels)]
    if only is not None:
        pictures = [f for f in pictures if f.name in only or title(f) in only]
    partners = pair(pictures, labels)
    cases: list[Case] = []
    problems: list[str] = []
    for image in pictures:
        found = partners[image]
        if not found:
            problems.append(
                f"{image}: has no mask of its name in {masks}; add it, or list pairs in a manifest"
            )
        elif len(found) > 1:
            names = ", ".join(f.name for f in found)
            problems.append(f"{image}: several masks fit ({names}); keep one, or list pairs in a manifest")
        cases.append(Case(title(image), image, found[0] if found else None, title(image)))
    used = {mask for found in partners.values() for mask in found}
    orphans = [f for f in labels if f not in used] if only is None else []
    return Listing(cases, problems, [f"{f}: is the mask of no image in {images}" for f in orphans])


def pair(images: Iterable[Path], masks: Iterable[Path]) -> dict[Path, list[Path]]:
    """The masks that fit each image: of the same name, else of the same name but for a common ending.

    Where neither is so, one unknown ending is accepted if it gives every image of the folder its mask
    (``Image_01L.jpg`` and ``Image_01L_1stHO.png``).
    """
    images, masks = list(images), list(masks)
    exact, bare = _index(masks, ()), _index(masks, MASK_ENDINGS)
    partners = {
        image: exact.get(title(image).lower()) or bare.get(_strip(title(image), IMAGE_ENDINGS)) or []
        for image in images
    }
    if images and not any(partners.values()):
        first = title(images[0]).lower()
        for ending in sorted({name[len(first) :] for name in exact if name.startswith(first)}):
            found = {image: exact.get(title(image).lower() + ending, []) for image in images}
            if all(found.values()):
                return found
    return partners


def _index(files: Iterable[Path], endings: tuple[str, ...]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(_strip(title(file), endings), []).append(file)
    return found


def _strip(name: str, endings: tuple[str, ...]) -> str:
    name = name.lower()
    for ending in endings:
        if name.endswith(ending) and name != ending:
            return name[: -len(ending)]
    return name
