"""The HTTP server on loopback: results as from the command line, and a sentence for everything else."""

import gzip
import http.client
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pytest
import rasterio
import uvicorn

from unetzoo.inference import DataSpec, Predictor
from unetzoo.inference.cli import main
from unetzoo.inference.limits import Limits
from unetzoo.inference.server import create_app

MakeModel = Callable[..., Path]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def sentence(self) -> str:
        return str(json.loads(self.body)["detail"])


class Client:
    """Requests to a server, each on a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def upload(self, name: str, content: bytes, query: str = "", field: str = "image") -> Answer:
        return self("POST", f"/predict{query}", form(name, content, field), Content_Type=FORM)


FORM = "multipart/form-data; boundary=edge"


def form(name: str, content: bytes, field: str = "image") -> bytes:
    head = f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--edge--\r\n"


@contextmanager
def serving(app: Any) -> Iterator[Client]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield Client(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server keeps uploads."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


@pytest.fixture
def predictor(model: MakeModel, data: DataSpec) -> Predictor:
    return Predictor.open(model(data), threads=1)


@pytest.fixture
def client(predictor: Predictor, folder: Path) -> Iterator[Client]:
    limits = Limits(upload=100_000, pixels=10_000, queue=8, seconds=20)
    with serving(create_app(predictor, limits)) as client:
        yield client
    assert not list(folder.iterdir())


def pixels(*size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)


def png(*size: int) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels(*size)).save(file, "PNG")
    return file.getvalue()


def tiff(bands: np.ndarray) -> bytes:
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, 4e5, 0, -2, 5e6)}
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", dtype=bands.dtype.name, **shape, **place) as target:
            target.write(bands)
        return bytes(memory.read())


def test_answers_are_the_files_of_the_command_line(
    client: Client, predictor: Predictor, tmp_path: Path
) -> None:
    for name, content, kind in (
        ("scene.tif", tiff(pixels(3, 33, 47)), "image/tiff"),
        ("../a b.png", png(21, 30, 3), "image/png"),
    ):
        (tmp_path / Path(name).name).write_bytes(content)
        whole = predictor.predict_file(tmp_path / Path(name).name, tmp_path / f"whole{Path(name).suffix}")
        answer = client.upload(name, content)
        assert (answer.status, answer.headers["content-type"]) == (200, kind)
        assert answer.body == whole.read_bytes()
        assert f"{Path(name).name.replace(' ', '%20')}" in answer.headers["content-disposition"]
    found = client.upload("a.png", png(21, 30, 3), "?result=probabilities")
    assert np.load(io.BytesIO(found.body)).shape == (3, 21, 30)


def test_volumes_are_answered_as_volumes(
    model: MakeModel, data: DataSpec, folder: Path, tmp_path: Path
) -> None:
    import nibabel

    nib: Any = nibabel
    image = nib.Nifti1Image(pixels(9, 8, 7, 3), np.diag([1.0, 2, 3, 1]))
    volumes = Predictor.open(model(replace(data, ndim=3, tile=(8, 8, 8))), threads=1)
    with serving(create_app(volumes)) as client:
        answer = client.upload("scan.nii.gz", gzip.compress(image.to_bytes()))
        slow = client.upload("scan.nii", image.to_bytes()[:600])
    assert (answer.status, answer.headers["content-type"]) == (200, "application/gzip")
    found = nib.Nifti1Image.from_bytes(gzip.decompress(answer.body))
    assert found.shape == (9, 8, 7)
    assert np.array_equal(found.affine, image.affine)
    assert slow.status == 422
    assert slow.sentence.startswith("scan.nii: cannot be read as NIfTI")


def test_what_the_server_says_of_itself(client: Client, predictor: Predictor) -> None:
    assert client.upload("a.png", png(8, 8, 3)).status == 200
    assert client.upload("a.png", b"").status == 422
    assert json.loads(client("GET", "/health").body) == {"status": "ok", "model": "tiny"}
    assert client("GET", "/contract").body.decode() == predictor.contract.to_json()
    metrics = client("GET", "/metrics").body.decode()
    assert 'unetzoo_answers_total{status="422"} 1.0' in metrics
    assert "unetzoo_predict_seconds_count 1.0" in metrics
    assert "unetzoo_uploads 0.0" in metrics
    assert re.search(r"^process_resident_memory_bytes [0-9.e+]+$", metrics, re.MULTILINE)
    assert "multipart/form-data" in client("GET", "/openapi.json").body.decode()


BROKEN: dict[str, tuple[str, bytes, int, str]] = {
    "empty": ("a.png", b"", 422, "a.png: the file is empty"),
    "text": ("a.jpg", b"<!doctype html>", 422, "a.jpg: cannot be read as a picture"),
    "cut": ("a.tif", tiff(pixels(3, 90, 90))[:9000], 422, "a.tif: cannot be read as a TIFF"),
    "bands": ("a.tif", tiff(pixels(2, 9, 9)), 422, "a.tif: has 2 band(s) where 3 are wanted"),
    "range": ("a.tif", tiff(pixels(3, 9, 9) / np.float32(255)), 422, "values reach 1"),
    "large": ("a.png", png(101, 100, 3), 413, "a.png: 101 x 100 pixels are more than the 10000"),
    "long": ("a.png", bytes(100_001), 413, "larger than the 100000 bytes"),
    "unknown": ("a.exe", b"MZ", 415, "a.exe: the ending '.exe' is unknown"),
    "no ending": ("passwd", b"x", 415, "passwd: the ending '' is unknown"),
    "no name": ("", b"x", 400, "send the image as a file in the field 'image'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_upload_is_one_sentence(client: Client, kind: str, folder: Path) -> None:
    name, content, status, culprit = BROKEN[kind]
    answer = client.upload(name, content)
    assert answer.status == status
    assert culprit in answer.sentence
    assert "\n" not in answer.sentence
    assert str(folder) not in answer.sentence


def test_broken_requests_are_answered(client: Client) -> None:
    assert client.upload("a.png", png(8, 8, 3), field="picture").status == 400
    assert client("POST", "/predict").status == 400
    assert client("POST", "/predict", b"--edge\r\nno header", Content_Type=FORM).status == 400
    assert client("POST", "/predict", png(8, 8, 3), Content_Type="image/png").status == 400
    assert client("POST", "/predict", b"", Content_Type="multipart/form-data").status == 400
    assert client.upload("a.png", png(8, 8, 3), "?result=both").status == 422
    assert client("GET", "/predict").status == 405
    assert client("GET", "/etc/passwd").status == 404
    chunks = (form("a.png", bytes(90_000))[:60_000] for _ in range(2))  # tells no length
    assert client("POST", "/predict", chunks, Content_Type=FORM).status == 413


class Slow:
    """A network that answers when it is allowed to."""

    def __init__(self, network: Any) -> None:
        self.network, self.go = network, threading.Event()

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        assert self.go.wait(20)
        return np.asarray(self.network(batch))


def test_full_queue_says_when_to_come_back(predictor: Predictor, folder: Path) -> None:
    slow = Slow(predictor.network)
    served = Predictor(slow, predictor.contract)
    answers: list[Answer] = []
    with serving(create_app(served, Limits(queue=2))) as client:

        def send() -> None:
            answers.append(client.upload("a.png", png(8, 8, 3)))

        senders = [threading.Thread(target=send) for _ in range(6)]
        for sender in senders:
            sender.start()
        while len(answers) < 3:
            time.sleep(0.005)
        assert client("GET", "/health").status == 200  # also while it computes
        slow.go.set()
        for sender in senders:
            sender.join()
    assert sorted(answer.status for answer in answers) == [200] * 3 + [503] * 3
    refused = next(answer for answer in answers if answer.status == 503)
    assert int(refused.headers["retry-after"]) >= 1
    assert "3 uploads are being worked on" in refused.sentence


def test_time_that_runs_out_is_told(predictor: Predictor, folder: Path) -> None:
    with serving(create_app(predictor, Limits(seconds=0))) as client:
        late = client.upload("a.png", png(40, 40, 3))
    assert late.status in (408, 504)
    with serving(create_app(predictor, Limits(seconds=0.05))) as client:
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Type", FORM)
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"--edge\r\n")  # and nothing more
        assert connection.getresponse().status == 408
        connection.close()


def test_client_that_leaves_takes_nothing_with_it(client: Client, folder: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Type", FORM)
    connection.putheader("Content-Length", "90000")
    connection.endheaders(form("a.png", bytes(50_000)))
    connection.close()
    while "unetzoo_uploads 0.0" not in client("GET", "/metrics").body.decode():
        time.sleep(0.005)
    assert client.upload("a.png", png(8, 8, 3)).status == 200


def test_command_line_refuses_what_it_cannot_serve(
    client: Client, model: MakeModel, data: DataSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(model(data))
    for arguments, culprit in (
        (["--port", str(client.port)], f"port {client.port} of 127.0.0.1 cannot be served"),
        (["-o", "out"], "--serve takes its images over HTTP"),
        (["--max-upload", "much"], "'much' is not an amount of memory"),
    ):
        assert main([path, "--serve", *arguments]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        assert culprit in said


def test_missing_fastapi_is_named_with_its_extra(
    run: Callable[..., Any], model: MakeModel, data: DataSpec
) -> None:
    done = run(model(data), "--serve", hidden=("fastapi",))
    assert done.returncode == 2
    assert done.stderr == "error: the server needs FastAPI: pip install 'unetzoo-runtime[serve]'\n"
