"""Progress on standard error: a bar for people, nothing for log files."""

import sys
import time
from typing import TextIO

_WIDTH = 30
_SECONDS_BETWEEN = 0.1


class Bar:
    """A bar over files, each of which reports its own parts.

    Args:
        total: Number of files.
        stream: Drawn on only if it is a terminal.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = total
        self.stream = sys.stderr if stream is None else stream
        self.shown = self.stream.isatty()
        self.done = 0
        self.name = ""
        self._last = 0.0
        self._begun = time.monotonic()
        self._parts = 0

    def start(self, name: str) -> None:
        """The next file begins."""
        self.name = name
        self._draw(0.0, force=True)

    def part(self, done: int, total: int) -> None:
        """``done`` of ``total`` parts of the current file are ready."""
        self._parts += 1
        self._draw(done / total)

    def finish(self) -> None:
        """The current file is ready."""
        self.done += 1
        self._draw(0.0, force=True)

    def say(self, line: str) -> None:
        """A line that stays, also where no bar is drawn."""
        self._clear()
        print(line, file=self.stream, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        self._clear()

    def _draw(self, part: float, *, force: bool = False) -> None:
        now = time.monotonic()
        if not self.shown or (now - self._last < _SECONDS_BETWEEN and not force):
            return
        self._last = now
        share = min(1.0, (self.done + part) / max(1, self.total))
        filled = round(share * _WIDTH)
        bar = "#" * filled + "." * (_WIDTH - filled)
        self.stream.write(
            f"\r\x1b[K[{bar}] {self.done}/{self.total} {self.name[:40]}{self._pace(share, now)}"
        )
        self.stream.flush()

    def _pace(self, share: float, now: float) -> str:
        """Parts a second and the time left, once they can be told."""
        elapsed = now - self._begun
        if share == 0 or elapsed < 1:
            return ""
        left = round(elapsed / share - elapsed)
        clock = (
            f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"
            if left >= 3600
            else f"{left // 60}:{left % 60:02}"
        )
        return f"  {self._parts / elapsed:.1f} windows/s, {clock} left"

    def _clear(self) -> None:
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
