"""Operations with a kernel: a short definition, what torch runs, what is exported."""

from unetzoo.ops.selective_scan import selective_scan
from unetzoo.ops.ssd import ssd

__all__ = ["selective_scan", "ssd"]
