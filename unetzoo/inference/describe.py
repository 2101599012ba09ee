"""A contract in words, for people who were only given the file."""

from .cleaning import words
from .contract import Contract, DataSpec
from .normalisation import BandNormalisation
from .normalise import IMAGENET_MEAN, IMAGENET_STD


def describe(contract: Contract) -> str:
    """What the model takes, what it gives, and how good it was, one fact per line."""
    data = contract.data
    size = " x ".join(map(str, data.tile))
    lines = [
        f"model          {contract.name}",
        f"takes          {data.ndim}D images with {len(data.bands)} band(s): {', '.join(data.bands)}",
        *_values(data),
        f"no data        {'' if data.nodata is None else f'{data.nodata:g}, '}NaN, and what the file marks",
        f"tile           {size} pixels, {contract.overlap:.0%} overlap, {contract.blend} blending"
        + ("" if contract.dynamic_size else ", the only size the network takes"),
    ]
    if data.spacing:
        lines.append(
            f"pixel size     {' x '.join(f'{s:.4g}' for s in data.spacing)} {data.unit} in training (mean)"
        )
    lines.append(f"gives          {_gives(contract)}")
    lines += [f"  {index:>3}          {c.name}  rgb{c.colour}" for index, c in enumerate(data.classes)]
    lines += [f"cleaned        {data.classes[how.index].name}: {words(how)}" for how in contract.cleaning]
    lines.append(f"licence        {contract.licence or 'not stated'}")
    lines += [
        f"{'metrics' if i == 0 else '':<14} {k} = {v:.4g}"
        for i, (k, v) in enumerate(contract.metrics.items())
    ]
    if (less := contract.quantisation) is not None:
        drop = "" if less.drop is None else f", 95 % of the drop {less.drop[0]:.4f} to {less.drop[1]:.4f}"
        lines.append(
            f"computed in    {less.precision}: Dice {less.dice_after:.4f}, {less.dice_before:.4f} in float32 "
            f"({less.cases} val case(s){drop})"
        )
    if contract.weights_sha256:
        lines.append(f"weights        sha256 {contract.weights_sha256}")
    return "\n".join(lines)


def _gives(contract: Contract) -> str:
    if (target := contract.data.target) is not None:
        unit = f" in {target.unit}" if target.unit else ""
        return f"an image with {len(target.bands)} band(s){unit}: {', '.join(target.bands)}"
    if contract.data.multilabel:
        return f"{len(contract.data.classes)} classes that may overlap, one layer each"
    return f"one of {len(contract.data.classes)} classes per pixel; 255 where there is no data"


def _values(data: DataSpec) -> list[str]:
    how, seen = data.normalisation, data.value_range
    range_ = "" if seen is None else f"; {seen[0]:g} to {seen[1]:g} in training"
    if not how.each:
        return [f"values         {_method(how)}{range_}"]
    bands = [f"{name}: {_method(one)}" for name, one in zip(data.bands, how.each, strict=True)]
    return [f"values         {bands[0]}{range_}", *(f"               {line}" for line in bands[1:])]


def _method(how: BandNormalisation) -> str:
    ends = "" if how.window is None else f"{how.window[0]:g} and {how.window[1]:g}"
    numbers = {
        "percentile": f"stretched between the image's {how.low:g} and {how.high:g} percentiles, any scale",
        "minmax": "stretched between the image's smallest and largest value, any scale",
        "zscore": "to mean 0 and standard deviation 1 of the image, any scale",
        "imagenet": f"minus {IMAGENET_MEAN}, divided by {IMAGENET_STD}",
        "fixed": f"minus {how.mean}, divided by {how.std}",
        "window": f"stretched between {ends}",
    }[how.method]
    clipped = f", clipped at {ends} before" if ends and how.method != "window" else ""
    return numbers + clipped + ("" if how.skip is None else f", {how.skip:g} left out")
