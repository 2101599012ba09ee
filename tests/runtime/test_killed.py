"""A bulk run whose process is killed without warning, again and again, ends as one that was left alone."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from unetzoo.inference import DataSpec

MakeModel = Callable[..., Path]


def scenes(folder: Path, count: int) -> Path:
    folder.mkdir()
    for i in range(count):
        bands = np.random.default_rng(i).integers(0, 256, (3, 60 + i % 7, 50), dtype=np.uint8)
        place = {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, i, 0, -2, 0)}
        shape = {"count": 3, "height": bands.shape[1], "width": 50, "dtype": "uint8"}
        with rasterio.open(folder / f"{i:03}.tif", "w", driver="GTiff", **shape, **place) as target:
            target.write(bands)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def written(folder: Path) -> dict[str, int]:
    """When each result got its name."""
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("[!.]*.tif")}


def busy_workers(pid: int) -> list[int]:
    """Processes that descend from one and are named as Ray names its workers."""
    parents, titles = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
            titles[int(folder.name)] = (folder / "cmdline").read_bytes().decode()
        except OSError:  # gone meanwhile
            continue
        parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return [child for child in family if titles.get(child, "").startswith("ray::_Worker")]


# a cluster on this machine, for as long as the process lives
CLUSTER = """
import ray, time
ray.init(num_cpus=4, include_dashboard=False, object_store_memory=10**8, logging_level="ERROR")
print(ray.get_runtime_context().gcs_address, flush=True)
time.sleep(10**6)
"""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[str]"]:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # or the runs would need the cluster's token
    with subprocess.Popen([sys.executable, "-c", CLUSTER], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.full
@pytest.mark.parametrize(
    ("count", "kills"), [pytest.param(40, 2, id="some"), pytest.param(200, 10, id="many")]
)
def test_ray_run_whose_processes_are_killed_ends_as_a_serial_one(
    model: MakeModel,
    data: DataSpec,
    tmp_path: Path,
    cluster: "subprocess.Popen[str]",
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    kills: int,
) -> None:
    inputs = scenes(tmp_path / "in", count)
    command = [sys.executable, "-m", "unetzoo.inference", str(model(data)), str(inputs), "--threads", "1"]
    subprocess.run([*command, "-o", str(tmp_path / "whole")], check=True, capture_output=True)
    out, chance = tmp_path / "out", random.Random(0)
    on_ray = [*command, "-o", str(out), "--workers", "4"]
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    assert address, "Ray did not start"
    monkeypatch.setenv("RAY_ADDRESS", address)
    known: dict[str, int] = {}
    for kill in range(kills):
        process = subprocess.Popen(on_ray, stdout=subprocess.DEVNULL)
        goal = len(known) + chance.randrange(1, count // kills)
        while len(written(out)) < goal:
            assert process.poll() is None
            time.sleep(0.005)
        if kill % 2:
            os.kill(chance.choice(busy_workers(cluster.pid)), signal.SIGKILL)  # Ray starts another
            while len(written(out)) < goal + 2 and process.poll() is None:
                time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        while busy_workers(cluster.pid):  # until Ray has noticed
            time.sleep(0.05)
        stamps = written(out)
        # a worker's last result may have lost its line in the ledger, and is then written again
        assert sum(stamps[name] != stamp for name, stamp in known.items()) <= 4
        known = stamps
    done = subprocess.run(on_ray, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{count} of {count} predicted, results in {out}\n"
    assert hashes(out) == hashes(tmp_path / "whole")


@pytest.mark.parametrize(
    ("count", "kills"),
    [pytest.param(40, 2, id="some"), pytest.param(200, 10, marks=pytest.mark.full, id="many")],
)
def test_killed_runs_leave_nothing_behind_and_lose_nothing(
    model: MakeModel, data: DataSpec, tmp_path: Path, count: int, kills: int
) -> None:
    inputs = scenes(tmp_path / "in", count)
    command = [
        sys.executable,
        "-m",
        "unetzoo.inference",
        str(model(data)),
        str(inputs),
        "--threads",
        "1",
        "-o",
    ]
    begun = time.monotonic()
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    lasts = time.monotonic() - begun
    out, chance = tmp_path / "out", random.Random(0)
    written: dict[str, int] = {}
    for _ in range(kills):
        process = subprocess.Popen([*command, str(out)], stdout=subprocess.DEVNULL)
        # at any moment from the first result on
        while process.poll() is None and len(list(out.glob("[!.]*.tif"))) == len(written):
            time.sleep(0.005)
        time.sleep(chance.random() * lasts / (2 * kills))
        process.send_signal(signal.SIGKILL)
        process.wait()
        stamps = {p.name: p.stat().st_mtime_ns for p in out.glob("[!.]*.tif")}
        # the result that was last may have lost its line in the ledger, and is then written again
        assert sum(stamps[name] != stamp for name, stamp in written.items()) <= 1
        written = stamps
    assert os.listdir(out)
    done = subprocess.run([*command, str(out)], check=True, capture_output=True, text=True)
    assert done.stdout == f"{count} of {count} predicted, results in {out}\n"
    assert hashes(out) == hashes(tmp_path / "whole")
