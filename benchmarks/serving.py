"""The HTTP server under many uploads at once, half of them broken, with its memory.

    python -m benchmarks.serving --uploads 500 --queue 16
    python -m benchmarks.serving --uploads 500 --queue 500

Starts ``unetzoo-infer --serve`` on loopback with a small untrained U-Net (tiles of 256 pixels) and
sends all uploads at once, each on a connection of its own. Valid ones are pictures and GeoTIFFs of 100 to
400 pixels a side; broken ones are truncated, of other bands or another scale, empty, too long, of unknown
formats, or small files that unpack to gigabytes. A client that is told to come back later does. The program
ends with an error unless every valid upload is answered with 200 and every broken one with a 4xx and a
sentence, and nothing is left in the folder of temporary files.
"""

import argparse
import collections
import gzip
import http.client
import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import PIL.Image
import rasterio

BOUNDARY = "edge-of-a-part"
LONGEST = 8 * 10**6  # bytes of an upload


class Upload(NamedTuple):
    """A file, and whether it can be predicted."""

    name: str
    content: bytes
    valid: bool


class Answer(NamedTuple):
    """The last answer to an upload, how often it was sent, and seconds in all."""

    upload: Upload
    status: int
    sentence: str
    tries: int
    seconds: float


def main() -> None:
    """Send, count and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--queue", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = _export(folder)
        uploads = _uploads(args.uploads)
        with _served(folder, model, args.queue, args.threads) as (process, port):
            before = _memory(process.pid, "VmRSS")
            begun = time.monotonic()
            answers = _send(uploads, port)
            seconds = time.monotonic() - begun
            peak = _memory(process.pid, "VmHWM")
            alive = process.poll() is None and _get(port, "/health") == 200
        # .ses is ONNX Runtime's own and holds nothing of an upload
        left = [path for path in (folder / "temporary").iterdir() if path.name != ".ses"]
    _print(answers, seconds, before, peak)
    wrong = [a for a in answers if not _right(a)]
    for answer in wrong[:10]:
        print(f"wrong: {answer.upload.name} {answer.status} {answer.sentence}", file=sys.stderr)
    if wrong or not alive or left:
        sys.exit(f"{len(wrong)} wrong answers, {len(left)} files left, server {'alive' if alive else 'gone'}")


def _right(answer: Answer) -> bool:
    if answer.upload.valid:
        return answer.status == 200
    return 400 <= answer.status < 500 and len(answer.sentence) > 10 and "\n" not in answer.sentence


def _print(answers: list[Answer], seconds: float, before: int, peak: int) -> None:
    statuses = collections.Counter((a.upload.valid, a.status) for a in answers)
    print("| uploads | answer | count |\n|---|---:|---:|")
    for (valid, status), count in sorted(statuses.items(), reverse=True):
        print(f"| {'valid' if valid else 'broken'} | {status} | {count} |")
    waits = sorted(a.seconds for a in answers)
    again = sum(a.tries - 1 for a in answers)
    print(
        f"\n{len(answers)} uploads in {seconds:.1f} s, median {median(waits):.1f} s, last {waits[-1]:.1f} s;"
    )
    print(f"told to come back {again} times; memory {before} MB at the start, {peak} MB at most")


def _send(uploads: list[Upload], port: int) -> list[Answer]:
    """All at once."""
    start = threading.Barrier(len(uploads))
    answers: list[Answer] = []

    def one(upload: Upload) -> None:
        start.wait()
        answers.append(_persist(upload, port))

    threads = [threading.Thread(target=one, args=(upload,)) for upload in uploads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _persist(upload: Upload, port: int) -> Answer:
    """Send an upload, and again when the server says so."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{upload.name}"\r\n\r\n'
    body = head.encode() + upload.content + f"\r\n--{BOUNDARY}--\r\n".encode()
    begun, tries = time.monotonic(), 0
    while True:
        tries += 1
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=900)
        try:
            kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
            connection.request("POST", "/predict", body, kind)
            answer = connection.getresponse()
            content, status = answer.read(), answer.status
            again = answer.headers.get("Retry-After")
        finally:
            connection.close()
        if status != 503 or again is None:
            said = "" if status == 200 else str(json.loads(content)["detail"])
            return Answer(upload, status, said, tries, time.monotonic() - begun)
        time.sleep(int(again) * random.uniform(0.5, 1))  # or all would be back at once


def _uploads(count: int) -> list[Upload]:
    """Half of them valid, in no order."""
    rng = np.random.default_rng(0)
    valid = [Upload(f"{i}.png", _png(rng, 100 + 50 * i, 300), True) for i in range(5)]
    valid += [Upload(f"{i}.tif", _tiff(rng, 3, 300, 100 + 60 * i), True) for i in range(6)]
    whole = _tiff(rng, 3, 300, 300)
    dark = PIL.Image.new("1", (20_000, 20_000))
    bomb = io.BytesIO()
    dark.save(bomb, "PNG")
    broken = [
        Upload("cut.tif", whole[: len(whole) // 2], False),
        Upload("bands.tif", _tiff(rng, 5, 200, 200), False),
        Upload("scale.tif", _tiff(rng, 3, 200, 200, scale=1 / 255), False),
        Upload("empty.png", b"", False),
        Upload("text.jpg", b"<!doctype html>" * 99, False),
        Upload("program.exe", b"MZ" * 99, False),
        Upload("noise.tif", rng.bytes(10**5), False),
        Upload("noise.png", b"\x89PNG\r\n\x1a\n" + rng.bytes(10**5), False),
        Upload("long.tif", bytes(LONGEST + 1), False),
        Upload("bomb.png", bomb.getvalue(), False),
        Upload("claims.png", _claimed(60_000, 60_000), False),
        Upload("bomb.nii.gz", gzip.compress(bytes(10**8)), False),
    ]
    chosen = [
        (valid if i % 2 else broken)[i // 2 % (len(valid) if i % 2 else len(broken))] for i in range(count)
    ]
    return [chosen[i] for i in rng.permutation(count)]


def _png(rng: np.random.Generator, height: int, width: int) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def _tiff(rng: np.random.Generator, count: int, height: int, width: int, *, scale: float = 0) -> bytes:
    bands = rng.integers(1, 256, (count, height, width), dtype=np.uint8)
    values = bands * np.float32(scale) if scale else bands
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, 4e5, 0, -2, 5e6)}
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype.name}
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", **shape, **place) as target:
            target.write(values)
        return bytes(memory.read())


def _claimed(width: int, height: int) -> bytes:
    """A PNG whose header claims more than there is."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(10**6), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _export(folder: Path) -> Path:
    """An untrained network."""
    import unetzoo
    from unetzoo.inference import ClassSpec, DataSpec, Normalisation
    from unetzoo.onnx_export import export

    small = {"encoder.channels": [8, 16, 32], "decoder.channels": [8, 16]}
    model = unetzoo.create_model("unet", encoder="conv2d", classes=3, overrides=small)
    model.data = DataSpec(
        ndim=2,
        bands=("red", "green", "blue"),
        classes=tuple(ClassSpec(f"class {i}", (i,), (i, i, i)) for i in range(3)),
        normalisation=Normalisation("imagenet"),
        tile=(256, 256),
        value_range=(0.0, 255.0),
    )
    return export(model, folder / "model.onnx")


@contextmanager
def _served(
    folder: Path, model: Path, queue: int, threads: int
) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """The command in a process of its own, and its port."""
    (folder / "temporary").mkdir()
    command = [sys.executable, "-m", "unetzoo.inference", str(model), "--serve", "--port", "0"]
    limits = ["--queue", str(queue), "--threads", str(threads), "--max-upload", str(LONGEST)]
    process = subprocess.Popen(
        [*command, *limits],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder / "temporary")},
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"on http://[\d.]+:(\d+)", line):
                break
        else:
            sys.exit("the server did not start")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process, int(found[1])
    finally:
        process.terminate()
        process.wait()


def _get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    return connection.getresponse().status


def _memory(pid: int, what: str) -> int:
    """MB that the kernel reports of a process."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return round(int(found[1]) / 1000)


if __name__ == "__main__":
    main()
