"""Operations with a kernel: a short definition, what torch runs, what is exported."""

from unetzoo.ops.attention_gate import attention_gate
from unetzoo.ops.concat_conv import concat_conv
from unetzoo.ops.dct_pool import dct_pool
from unetzoo.ops.directional_scan import directional_scan
from unetzoo.ops.mfms_merge import mfms_merge
from unetzoo.ops.selective_scan import selective_scan
from unetzoo.ops.selective_scan_fn import selective_scan_fn
from unetzoo.ops.sk_merge import sk_merge
from unetzoo.ops.ssd import ssd

__all__ = [
    "attention_gate",
    "concat_conv",
    "dct_pool",
    "directional_scan",
    "mfms_merge",
    "selective_scan",
    "selective_scan_fn",
    "sk_merge",
    "ssd",
]
