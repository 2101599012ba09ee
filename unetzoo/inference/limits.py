"""What a server takes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Whatever is beyond is answered with a sentence.

    Args:
        upload: Bytes of a request.
        pixels: Of an image, which its header tells before anything is decoded.
        queue: Uploads that are received or wait while one is computed; who comes later is told to come back.
        seconds: To receive an upload, and again to compute it.
    """

    upload: int = 200 * 10**6
    pixels: int = 10**8
    queue: int = 16
    seconds: float = 300
