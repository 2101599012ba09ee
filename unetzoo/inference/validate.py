"""Whether an exported file keeps what its contract promises; `unetzoo-infer --check`."""

from pathlib import Path

import numpy as np

from .contract import SCHEMA_VERSION
from .decode import channels
from .files import FileError
from .network import OnnxNetwork


def validate(path: str | Path) -> list[str]:
    """What was checked and found right, a line each.

    Raises:
        FileError: Naming the first thing that is wrong.
    """
    network = OnnxNetwork(path, threads=1)
    contract, data = network.contract, network.contract.data
    found = [
        f"contract   schema {SCHEMA_VERSION}, {data.ndim}D, {len(data.bands)} band(s), "
        f"{len(data.outputs)} {'classes' if data.target is None else 'band(s) out'}",
        f"checksum   {'as exported' if network.verified else 'none in the file, so it cannot be told'}",
    ]
    rng = np.random.default_rng(0)
    sizes = [data.tile]
    if contract.dynamic_size:
        sizes.append(tuple(t + 2 * axis + 1 for axis, t in enumerate(data.tile)))
    for batch, size in enumerate(sizes, start=1):
        logits = network(rng.standard_normal((batch, len(data.bands), *size), dtype=np.float32))
        wanted = (batch, channels(contract), *size)
        if logits.shape != wanted:
            raise FileError(
                f"{path}: the network answers {logits.shape} where its contract says {wanted}; "
                "export it again"
            )
        if not np.isfinite(logits).all():
            raise FileError(f"{path}: the network answers with numbers that are not finite; export it again")
        shape = " x ".join(map(str, (batch, *size)))
        found.append(f"network    {shape} pixels in, {logits.shape[1]} number(s) each out")
    return found
