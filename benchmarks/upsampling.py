"""What upsampling and concatenation take of a decoder's row: the most that one pass for both could save.

    python -m benchmarks.upsampling --threads 2

The rows of `unet` with a ResNet-34 on 4 x 3 x 256 x 256, float32, in a process that keeps the memory it
frees, as `unetzoo train` does. "convolutions" is the same row handed the concatenation. Both take turns.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unetzoo.allocation import keep_freed_memory
from unetzoo.bench.timing import interleaved

COARSE = [(512, 256, 256, 16), (256, 128, 128, 32)]  # coarse, skip, row, H = W
ROWS = [*COARSE, (128, 64, 64, 64), (64, 64, 32, 128), (32, 0, 16, 256)]


def main() -> None:
    """Measure every row and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    print("| coarse + skip to row, H = W | layout | pass | row, ms | convolutions, ms | beside them |")
    print("|---|---|---|---:|---:|---:|")
    for coarse, skip, row, side in ROWS:
        for layout in (torch.contiguous_format, torch.channels_last):
            block = nn.Sequential(*convolution(coarse + skip, row), *convolution(row, row))
            block = block.to(memory_format=layout)
            below, beside = torch.randn(4, coarse, side // 2, side // 2), torch.randn(4, skip, side, side)
            parts = [t.contiguous(memory_format=layout).requires_grad_() for t in (below, beside)]
            whole = [joined(*parts).detach().requires_grad_()]
            for name, run in (("forward", forward), ("forward and backward", both)):
                forms = {
                    "row": partial(run, lambda *t, block=block: block(joined(*t)), parts),
                    "convolutions": partial(run, block, whole),
                }
                all_of_it, alone = (t.median for t in interleaved(forms, args.rounds).values())
                last = "channels last" if layout is torch.channels_last else "channels first"
                print(
                    f"| {coarse} + {skip} to {row}, {side} | {last} | {name} | {1e3 * all_of_it:.1f} "
                    f"| {1e3 * alone:.1f} | {1 - alone / all_of_it:.0%} |",
                    flush=True,
                )


def convolution(inputs: int, outputs: int) -> list[nn.Module]:
    """With norm and activation."""
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def joined(coarse: Tensor, skip: Tensor) -> Tensor:
    """The concatenation that a decoder's row begins with."""
    return torch.cat([F.interpolate(coarse, scale_factor=2.0), skip], 1)


def forward(form: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    """A prediction."""
    with torch.inference_mode():
        form(*inputs)


def both(form: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    """A step of training."""
    torch.autograd.grad(form(*inputs).sum(), inputs)


if __name__ == "__main__":
    main()
