"""Files spread over workers become what they become in one process, with what Ray promises in place of Ray.

A real one is started, and killed, in ``test_killed.py``.
"""

import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from unetzoo.cli import main as unetzoo
from unetzoo.inference import DataSpec, Predictor
from unetzoo.inference.cli import main

MakeModel = Callable[..., Path]


class ActorError(Exception):
    pass


class TaskError(Exception):
    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Ray(types.ModuleType):
    """As much of Ray as is used: actors run when they are waited for, and what they raise is tried again."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.exceptions = types.SimpleNamespace(RayActorError=ActorError, RayTaskError=TaskError)
        self.log: list[str] = []
        self.most = 0

    def init(self, **how: Any) -> None:
        self.log.append(f"init {how.get('num_cpus')}")

    def shutdown(self) -> None:
        self.log.append("shutdown")

    def remote(self, **how: Any) -> Callable[[type], Any]:
        self.how = how

        def actor(kind: type) -> Any:
            def make(*args: Any) -> Any:
                self.log.append("worker")
                made = kind(*args)
                return types.SimpleNamespace(predict=_Method(made.predict))

            return types.SimpleNamespace(remote=make)

        return actor

    def wait(self, running: list[Any], *, num_returns: int) -> tuple[list[Any], list[Any]]:
        self.most = max(self.most, len(running))
        return running[-1:], running[:-1]  # not in order

    def get(self, ready: Callable[[], Any]) -> Any:
        return ready()


class _Method:
    def __init__(self, method: Callable[[Any], Any]) -> None:
        self.method = method

    def options(self, *, max_task_retries: int, retry_exceptions: list[type[Exception]]) -> Any:
        def remote(task: Any) -> Callable[[], Any]:
            def ready() -> Any:
                for left in range(max_task_retries, -1, -1):
                    try:
                        return self.method(task)
                    except SystemExit as died:
                        raise ActorError from died
                    except Exception as error:
                        if left == 0 or not isinstance(error, tuple(retry_exceptions)):
                            raise TaskError(error) from error

            return ready

        return types.SimpleNamespace(remote=remote)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ray]:
    fake = Ray()
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.delitem(sys.modules, "unetzoo.inference.on_ray", raising=False)
    yield fake
    sys.modules.pop("unetzoo.inference.on_ray", None)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for i in range(9):
        pixels = np.random.default_rng(i).integers(0, 256, (20 + i, 24, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / "in" / ("deep" if i % 2 else "") / f"{i}.png")
    return tmp_path / "in"


def contents(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def opened(path: Path, threads: int) -> Predictor:
    return Predictor.open(path, threads=threads)


def test_workers_write_what_one_process_writes(
    ray: Ray,
    model: MakeModel,
    data: DataSpec,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [str(model(data)), str(pictures), "--threads", "1", "--flips", "-o"]
    assert main([*arguments, str(tmp_path / "one")]) == 0
    assert main([*arguments, str(tmp_path / "many"), "--workers", "2"]) == 0
    assert ray.log == ["init 2", "worker", "worker", "shutdown"]
    assert ray.most == 4  # two are computed and two wait; the others are not even given out
    words = [
        f"ckpt={model(data)}",
        f"inputs={pictures}",
        f"out={tmp_path / 'words'}",
        "flips=true",
        "threads=1",
    ]
    assert unetzoo(["predict", *words, "workers=3"]) == 0
    assert ray.log[4:] == ["init 3", "worker", "worker", "worker", "shutdown"]
    assert capsys.readouterr().out.count("9 of 9 predicted") == 3
    assert contents(tmp_path / "one") == contents(tmp_path / "many") == contents(tmp_path / "words")


def test_second_run_does_what_failed_and_nothing_else(
    ray: Ray,
    model: MakeModel,
    data: DataSpec,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = (pictures / "0.png").read_bytes()
    (pictures / "0.png").write_bytes(whole[:50])
    arguments = [str(model(data)), str(pictures), "--threads", "1", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--workers", "3"]) == 4
    said = capsys.readouterr()
    assert said.out.startswith("8 of 9 predicted")
    assert said.err.count("\n") == 1
    assert "0.png: cannot be read as a picture" in said.err
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.png")}
    (pictures / "0.png").write_bytes(whole)
    assert main(arguments) == 0  # without workers, for a change
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in stamps.items())
    assert len(list((tmp_path / "out").rglob("*.png"))) == 9
    assert not list((tmp_path / "out").glob(".*"))


def test_what_may_pass_is_tried_again_and_a_death_is_told(
    ray: Ray,
    model: MakeModel,
    data: DataSpec,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from unetzoo.inference.on_ray import predict_on_ray

    tries: dict[str, int] = {}
    real = Predictor.predict_file

    def flaky(self: Predictor, source: Path, *args: Any, **options: Any) -> Path:
        tries[source.name] = tries.get(source.name, 0) + 1
        if source.name == "1.png" and tries["1.png"] < 3:
            raise OSError("the disk is away")
        if source.name == "2.png":
            raise OSError("the disk is gone")
        if source.name == "3.png":
            raise SystemExit
        return real(self, source, *args, **options)

    monkeypatch.setattr(Predictor, "predict_file", flaky)
    made = partial(opened, model(data))
    outcomes = predict_on_ray(made, [pictures], tmp_path / "out", workers=2, threads=1)
    failed = {outcome.source.name: outcome.error for outcome in outcomes if outcome.target is None}
    assert set(failed) == {"2.png", "3.png"}
    assert failed["2.png"] == "the disk is gone"
    assert "3.png: its worker died" in str(failed["3.png"])
    assert (tries["0.png"], tries["1.png"], tries["2.png"]) == (1, 3, 4)
    with pytest.raises(ValueError, match="workers=0"):
        predict_on_ray(made, [pictures], tmp_path / "out", workers=0)


def test_manifest_lists_the_inputs(
    model: MakeModel, data: DataSpec, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "in" / "scenes.csv"
    manifest.write_text("image,split\n0.png,test\ndeep/1.png,test\n")
    path = str(model(data))
    assert main([path, str(manifest), "-o", str(tmp_path / "out"), "--threads", "1"]) == 0
    assert set(contents(tmp_path / "out")) == {Path("0.png"), Path("deep/1.png")}
    for text, culprit in (
        ("picture\n0.png\n", "a column 'image'; this one has picture"),
        ("image\n", "no image"),
    ):
        manifest.write_text(text)
        assert main([path, str(manifest), "-o", str(tmp_path / "out")]) == 2
        assert culprit in capsys.readouterr().err


def test_missing_ray_is_named_with_its_extra(
    model: MakeModel,
    data: DataSpec,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "unetzoo.inference.on_ray", raising=False)
    arguments = [str(model(data)), str(pictures), "-o", str(tmp_path / "out"), "--workers", "2"]
    assert main(arguments) == 2
    assert capsys.readouterr().err == "error: workers need Ray: pip install 'unetzoo-runtime[ray]'\n"
