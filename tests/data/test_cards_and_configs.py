"""Every set has a card in the fixed order and a config that says what it is and how to run it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from unetzoo.datasets.datamodule import SegmentationData

ROOT = Path(__file__).parents[2]
CARDS = sorted((ROOT / "data").glob("*/README.md"))
DATA_CONFIGS = sorted((ROOT / "configs" / "data").glob("*.yaml"))
SETS = [path for path in DATA_CONFIGS if not path.stem.startswith(("demo_", "folder", "manifest"))]
AUGMENT_CONFIGS = sorted((ROOT / "configs" / "augment").glob("*.yaml"))
TABLE = (ROOT / "docs" / "data.md").read_text()
# of no contest
OURS = {"axon_sem", "demo", "fair_kampala", "hippocampus_msd", "landsat_sparse", "synthetic_ct"}
ORDER = ["What and how many", "Format and units", "Classes", "Splits", "Licence", "Citation"]


def merged(path: Path) -> dict[str, Any]:
    """A config with what it inherits."""
    config = yaml.safe_load(path.read_text())
    (base,) = config.pop("defaults", [""])
    return {**(merged(path.with_stem(base)) if base else {}), **config}


def composed(*overrides: str) -> Any:
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return compose("train", list(overrides))


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.parent.name)
def test_card_keeps_the_order(card: Path) -> None:
    assert re.findall(r"^- \*\*(.+?)\.\*\*", card.read_text(), re.MULTILINE) == ORDER


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.parent.name)
def test_card_tells_licence_group_and_native_metric(card: Path) -> None:
    text = " ".join(card.read_text().split())
    (licence,) = re.findall(r"\*\*Licence\.\*\* (.*) - \*\*Citation", text)
    assert re.match(r"`[\w.-]+`|custom \(|none stated \(|The set's own", licence)
    assert re.search(r"; commercial use: (yes|no|as it says)\.$", licence)
    assert card.parent.name in OURS or ("Group: " in text or "grouped by" in text)
    assert card.parent.name in OURS or "Native metric: " in text


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_table_of_sets_says_what_card_and_config_say(path: Path) -> None:
    (row,) = re.findall(rf"^\| \[{path.stem}\]\(\.\./data/(\w+)/README\.md\) (.*)\|$", TABLE, re.MULTILINE)
    folder, cells = row[0], [cell.strip() for cell in row[1].strip("| ").split("|")]
    header = path.read_text()
    assert f"data/{folder}/README.md" in header
    card = " ".join((ROOT / "data" / folder / "README.md").read_text().split())
    assert card.lower().count(f"**licence.** {cells[4]}".lower()) == 1
    assert f"commercial use: {cells[5]}." in card
    assert cells[6].strip("`") in header
    classes = merged(path).get("classes")
    assert cells[2] == (str(len(classes)) if classes else "found" if folder == "nnunet_raw" else "none")
    assert cells[1].startswith(f"{merged(path).get('ndim') or 2}D")


@pytest.mark.parametrize(
    "path", [*DATA_CONFIGS, *AUGMENT_CONFIGS], ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_header_says_what_it_is_and_how_to_run_it(path: Path) -> None:
    first, second = path.read_text().splitlines()[:2]
    assert first.startswith("# ")
    assert second.startswith("#   unetzoo train ")
    assert path.stem in second


@pytest.mark.parametrize(
    "name",
    [
        # the others' commands are composed with their headers', and their samples read
        pytest.param(path.stem, marks=[pytest.mark.full] if "${paths.data}" in path.read_text() else [])
        for path in DATA_CONFIGS
    ],
)
def test_data_config_composes_and_builds(name: str, tmp_path: Path) -> None:
    config = composed(f"data={name}", f"paths.data={tmp_path}", "data.batch_size=3", "seed=7")
    data = instantiate(config.data)
    assert isinstance(data, SegmentationData)
    assert (data.batch_size, data.seed) == (3, 7)
    assert config.data.name == name
    assert not list(tmp_path.iterdir()), "building reads and writes nothing"


@pytest.mark.parametrize("name", [path.stem for path in AUGMENT_CONFIGS])
def test_augment_config_reaches_the_data(name: str) -> None:
    config = composed("data=folder", f"augment={name}")
    assert callable(instantiate(config.data).augment)


def test_folder_needs_no_more_than_two_folders(tmp_path: Path) -> None:
    config = composed("data=folder", f"data.images={tmp_path}/i", f"data.masks={tmp_path}/m")
    with pytest.raises(FileNotFoundError, match=r"data\.images=.*/i: no such folder"):
        instantiate(config.data).cases("train")


def test_classes_can_be_given_on_the_command_line() -> None:
    config = composed("data=folder", "data.classes={background: 0-127, polyp: [128-254, 255]}")
    assert [c.ids[-1] for c in instantiate(config.data).classes] == [127, 255]


@pytest.mark.parametrize("name", ["demo_nuclei", "demo_scene", "demo_volumes"])
def test_demo_sets_make_themselves_and_pass_the_check(name: str, tmp_path: Path) -> None:
    kind = "volume" if name == "demo_volumes" else "light"
    config = composed(f"data={name}", f"augment={kind}", f"paths.data={tmp_path}", "++data.generate.count=15")
    if name != "demo_volumes":
        config.data.generate.update(count=20, size=64)
    data = instantiate(config.data)
    assert data.check() == []
    batch = next(iter(data.train_dataloader()))
    assert tuple(batch["image"].shape) == (data.batch_size, len(data.spec.bands), *data.spec.tile)
