"""``unetzoo-infer --serve``: a model behind HTTP, for uploads that nobody has looked at."""

import logging
import math
import shutil
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Annotated, Literal, Unpack

from .describe import describe
from .filejob import Options
from .files import stem, suffix
from .image import SELF_CONTAINED, image_size
from .limits import Limits
from .predictor import Predictor

try:
    import uvicorn
    from anyio import CapacityLimiter, fail_after, to_thread
    from fastapi import Depends, FastAPI, HTTPException, Request, Response
    from fastapi.responses import FileResponse
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        ProcessCollector,
        generate_latest,
    )
    from starlette.datastructures import UploadFile
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ImportError as missing:
    raise ImportError("the server needs FastAPI: pip install 'unetzoo-runtime[serve]'") from missing

_KINDS = {
    ".png": "image/png",
    ".tif": "image/tiff",
    ".nii.gz": "application/gzip",
    ".dcm": "application/dicom",
    ".nrrd": "application/octet-stream",
    ".mha": "application/octet-stream",
    ".npy": "application/octet-stream",
}
_FIELD = "image"
_LONGEST_WAIT = 60  # seconds that anybody is told to wait before the next try
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [_FIELD],
                    "properties": {_FIELD: {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


def create_app(predictor: Predictor, limits: Limits | None = None, **options: Unpack[Options]) -> FastAPI:
    """The server as an ASGI application: ``POST /predict``, ``GET /health``, ``/metrics``, ``/contract``.

    Args:
        options: How uploads are predicted; results are those of `Predictor.predict_file`.
    """
    service = _Service(predictor, limits or Limits(), options)
    contract = predictor.contract
    app = FastAPI(title=contract.name, description=f"```\n{describe(contract)}\n```")
    app.add_middleware(_Counted, answers=service.answers)

    @app.post("/predict", response_class=FileResponse, openapi_extra=_FORM)
    async def predict(
        request: Request,
        folder: Annotated[Path, Depends(service.admitted)],
        result: Literal["labels", "probabilities"] = "labels",
    ) -> FileResponse:
        """Segment the image in the form; the answer is the file that unetzoo-infer would write."""
        return await service.predict(request, folder, probabilities=result == "probabilities")

    @app.get("/health")
    def health() -> dict[str, str]:
        """Whether the server answers, and with which model."""
        return {"status": "ok", "model": contract.name}

    @app.get("/contract")
    def told() -> Response:
        """What the model takes and gives."""
        return Response(contract.to_json(), media_type="application/json")

    @app.get("/metrics")
    def metrics() -> Response:
        """Answers, uploads, seconds and memory, for Prometheus."""
        return Response(generate_latest(service.registry), media_type=CONTENT_TYPE_LATEST)

    return app


def serve(predictor: Predictor, *, host: str, port: int, limits: Limits, **options: Unpack[Options]) -> None:
    """Answer requests until the process is interrupted or terminated.

    Raises:
        OSError: If the port is taken, or the host is none of this machine's.
    """
    try:
        listening = socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise OSError(
            f"port {port} of {host} cannot be served ({error.strerror}); choose another --host or --port"
        ) from error
    config = uvicorn.Config(create_app(predictor, limits, **options), timeout_graceful_shutdown=10)
    with listening:
        where = listening.getsockname()  # the port is the system's choice if none was given
        logging.getLogger("uvicorn.error").info("Serving on http://%s:%d", *where[:2])
        uvicorn.Server(config).run(sockets=[listening])


class _Service:
    """Takes uploads in one by one, and computes one at a time: the network uses all cores by itself."""

    def __init__(self, predictor: Predictor, limits: Limits, options: Options) -> None:
        self.predictor, self.limits, self.options = predictor, limits, options
        self.registry = CollectorRegistry()
        self.answers = Counter("unetzoo_answers", "HTTP answers", ["status"], registry=self.registry)
        self.seconds = Histogram("unetzoo_predict_seconds", "Computing an upload", registry=self.registry)
        self.inside = Gauge("unetzoo_uploads", "Received, waiting or computed now", registry=self.registry)
        ProcessCollector(registry=self.registry)
        self._inside = 0
        self._took = 0.0
        self._one = CapacityLimiter(1)

    async def admitted(self) -> AsyncIterator[Path]:
        """A folder that is gone when the answer is out, for as many uploads as there is room for."""
        if self._inside > self.limits.queue:
            wait = min(_LONGEST_WAIT, max(1, math.ceil(self._inside * self._took)))
            raise HTTPException(
                503,
                f"{self._inside} uploads are being worked on already; try again in {wait} seconds",
                {"Retry-After": str(wait)},
            )
        self._inside += 1
        self.inside.set(self._inside)
        try:
            with TemporaryDirectory(prefix="unetzoo-", ignore_cleanup_errors=True) as folder:
                yield Path(folder)
        finally:
            self._inside -= 1
            self.inside.set(self._inside)

    async def predict(self, request: Request, folder: Path, *, probabilities: bool) -> FileResponse:
        """The result's file, or an HTTPException with a sentence."""
        try:
            with fail_after(self.limits.seconds):
                name, source = await self._receive(request, folder)
        except TimeoutError as error:
            raise HTTPException(408, f"the upload took more than {self.limits.seconds:g} seconds") from error
        try:
            target = await to_thread.run_sync(self._compute, source, folder, probabilities, limiter=self._one)
        except (ValueError, ImportError, MemoryError, TimeoutError) as error:
            said = str(error).replace(str(source), name) or f"{name}: {type(error).__name__}"
            raise HTTPException(_status(error), said) from error
        ending = suffix(target)
        return FileResponse(target, filename=stem(name) + ending, media_type=_KINDS[ending])

    async def _receive(self, request: Request, folder: Path) -> tuple[str, Path]:
        """The upload's own name, and where it is now, under a name of ours."""
        most = self.limits.upload
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            raise _too_long(most)
        counted = Request(request.scope, _counting(request.receive, most))
        async with counted.form(max_files=1, max_fields=1) as form:
            upload = form.get(_FIELD)
            if not isinstance(upload, UploadFile) or not upload.filename:
                raise HTTPException(
                    400, f"send the image as a file in the field '{_FIELD}' of a form (multipart/form-data)"
                )
            name = PureWindowsPath(upload.filename).name
            ending = suffix(name)
            if ending not in SELF_CONTAINED:
                raise HTTPException(
                    415, f"{name}: the ending '{ending}' is unknown; readable are {', '.join(SELF_CONTAINED)}"
                )
            source = folder / f"image{ending}"
            with source.open("wb") as file:
                await to_thread.run_sync(shutil.copyfileobj, upload.file, file)
        return name, source

    def _compute(self, source: Path, folder: Path, probabilities: bool) -> Path:
        """The result's file; runs in a thread of its own."""
        begun = time.monotonic()
        size = image_size(source)
        if math.prod(size) > self.limits.pixels:
            raise MemoryError(
                f"{source}: {' x '.join(map(str, size))} pixels are more than the {self.limits.pixels} "
                "that this server takes; cut the image, or predict it with unetzoo-infer"
            )

        def in_time(done: int, total: int) -> None:
            if time.monotonic() - begun > self.limits.seconds:
                raise TimeoutError(
                    f"{source}: takes more than {self.limits.seconds:g} seconds ({done} of {total} windows "
                    "are done); cut the image, or predict it with unetzoo-infer"
                )

        out = folder / "out"
        out.mkdir()
        options: Options = {**self.options, "probabilities": probabilities}
        target = self.predictor.predict_file(source, out, progress=in_time, **options)
        self._took = time.monotonic() - begun
        self.seconds.observe(self._took)
        return next(out.glob("*_probabilities.*")) if probabilities else target


class _Counted:
    """Counts the answers of an application."""

    def __init__(self, app: ASGIApp, answers: Counter) -> None:
        self.app, self.answers = app, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answers.labels(message["status"]).inc()
            await send(message)

        await self.app(scope, receive, noted)


def _counting(receive: Receive, most: int) -> Receive:
    """Refuses a body that turns out to be longer than it may be; not all say so before."""
    got = 0

    async def counted() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        if got > most:
            raise _too_long(most)
        return message

    return counted


def _too_long(most: int) -> HTTPException:
    return HTTPException(413, f"the upload is larger than the {most} bytes that this server takes")


def _status(error: Exception) -> int:
    """The client's mistake, but for formats that this installation cannot read and time that runs out."""
    if isinstance(error, TimeoutError):
        return 504
    if isinstance(error, ImportError):
        return 501
    return 413 if isinstance(error, MemoryError) else 422
