"""The page "Write your own skip pathway" works as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "own_skip.md"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's files, under the names the page gives them."""
    folder = tmp_path_factory.mktemp("project")
    blocks = re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert [name for name, _ in blocks] == ["my_skips.py", "conf/model/skip/row_below.yaml"]
    for name, text in blocks:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def call(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unetzoo", *words],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_it_is_about_forty_lines(project: Path) -> None:
    lines = [line for line in (project / "my_skips.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 40


def test_it_is_an_option_like_the_others(project: Path) -> None:
    done = call(project, "explain", "--config-dir", "conf", "model/skip=row_below", "model/encoder=conv2d")
    assert done.returncode == 0, done.stderr
    assert "skip row_below" in done.stdout


@pytest.mark.parametrize("ndim", [2, 3])
def test_it_equals_the_plain_skip_before_training(
    project: Path, ndim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from unetzoo.zoo import build, create_model

    monkeypatch.syspath_prepend(project)
    small = {"encoder.channels": [4, 8, 8], "decoder.channels": [4, 8]}
    plain = create_model(encoder=f"conv{ndim}d", overrides=small).eval()
    assert plain.config is not None
    own = build(plain.config | {"skip": {"_target_": "my_skips.RowBelow", "_partial_": True}}).eval()
    missing, _ = own.load_state_dict(plain.state_dict(), strict=False)
    assert all(key.startswith("skip.lift.") for key in missing)
    x = torch.randn(1, 3, *(13, 10, 9)[:ndim])
    assert torch.equal(own(x), plain(x))


def test_trained_by_the_command_line_and_loaded_only_if_trusted(project: Path) -> None:
    tiny = ["model.encoder.channels=[4,8]", "data.samples_per_epoch=8", "trainer.max_epochs=1", "run_id=mine"]
    trained = call(project, "train", "--config-dir", "conf", "model/skip=row_below", "experiment=demo", *tiny)
    assert trained.returncode == 0, trained.stderr
    export = ["export", "ckpt=runs/mine/checkpoints/best.ckpt"]
    refused = call(project, *export)
    assert refused.returncode == 2
    assert "would call 'my_skips.RowBelow'" in refused.stderr
    assert "UNETZOO_TRUST" in refused.stderr
    trusted = call(project, *export, UNETZOO_TRUST="my_skips")
    assert trusted.returncode == 0, trusted.stderr
    assert (project / "runs/mine/model.onnx").is_file()
