"""Write docs/zoo.md and the drawings in docs/zoo/ from the configs and the networks they build.

python docs/make_zoo.py
"""

from pathlib import Path

from unetzoo import list_models, list_skips
from unetzoo.catalog import SIZES, Facts, Header, header, model_facts, short, skip_facts

HERE = Path(__file__).parent
STEP, LEFT, RADIUS = 26, 14, 6
MIDDLE, RIGHT = LEFT + 5 * STEP, LEFT + 10 * STEP


def drawing(facts: Facts) -> str:
    """The U with its skips as SVG: encoder rows at the left, what the pathway hands on in the middle.

    An arrow from encoder row j to skip row i says that i depends on j; see the page for the colours.
    """
    depth = len(facts.flow)
    y = [LEFT + STEP * i for i in range(depth + 1)]
    left = [LEFT + STEP * i // 2 for i in range(depth + 1)]
    right = [RIGHT - STEP * i // 2 for i in range(depth + 1)]
    lines = [
        _line(left[i], y[i], left[i + 1], y[i + 1], "#888")
        + _line(right[i + 1], y[i + 1], right[i], y[i], "#888")
        for i in range(depth - 1)
    ]
    bottom = (LEFT + RIGHT) // 2
    lines += [
        _line(left[depth - 1], y[depth - 1], bottom, y[depth], "#888"),
        _line(bottom, y[depth], right[depth - 1], y[depth - 1], "#888"),
    ]
    for i, sources in enumerate(facts.flow):
        lines += [_arrow(left[j] if j < depth else bottom, y[j], MIDDLE, y[i], i == j) for j in sources]
        lines.append(_arrow(MIDDLE, y[i], right[i] - RADIUS - 2, y[i], True))
    dots = [_dot(x, y[i], "#4477aa") for i, x in enumerate([*left[:depth], bottom])]
    dots += [_dot(MIDDLE, y[i], "#cc6677" if facts.acts[i] else "#ffffff") for i in range(depth)]
    dots += [_dot(right[i], y[i], "#ee9933" if facts.merges else "#ffffff") for i in range(depth)]
    size = f'width="{RIGHT + LEFT}" height="{y[-1] + LEFT}" viewBox="0 0 {RIGHT + LEFT} {y[-1] + LEFT}"'
    head = (
        '<defs><marker id="a" markerWidth="6" markerHeight="6" refX="5" refY="3" orient="auto">'
        '<path d="M0,0 L6,3 L0,6 z" fill="#cc6677"/></marker></defs>'
    )
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{head}{paper}{"".join([*lines, *dots])}</svg>\n'


def _line(x: int, y: int, to_x: int, to_y: int, colour: str) -> str:
    return f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="{colour}" stroke-width="1.5"/>'


def _arrow(x: int, y: int, to_x: int, to_y: int, straight: bool) -> str:
    colour = "#999" if straight else "#cc6677"
    marker = "" if straight else ' marker-end="url(#a)"'
    end = to_x - (0 if straight else RADIUS)
    return f'<line x1="{x}" y1="{y}" x2="{end}" y2="{to_y}" stroke="{colour}"{marker}/>'


def _dot(x: int, y: int, fill: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{RADIUS}" fill="{fill}" stroke="#444"/>'


def _section(name: str, told: Header, facts: Facts, figures: str, picture: str) -> str:
    rows = [
        ("Source", told.source),
        ("Reference code", told.reference),
        ("Fidelity", told.fidelity),
        ("For", ", ".join(f"{n}D" for n in facts.ndims)),
        ("Limits", told.limits),
        ("Size", figures),
        ("Before training", f"equals {facts.identity}" if facts.identity else ""),
        ("Exported file", "any image size" if facts.dynamic else "the tile's size only"),
        ("Run", f"`{told.command}`"),
    ]
    body = "\n".join(f"- {label}: {text}" for label, text in rows if text)
    return f"### {name}\n\n{told.what}\n{picture}\n{body}\n"


def main() -> None:
    """Measure everything and write the page."""
    pictures = HERE / "zoo"
    pictures.mkdir(exist_ok=True)
    size = {n: " x ".join(map(str, shape)) for n, shape in SIZES.items()}
    parts = []
    for name in list_skips():
        facts = skip_facts(name)
        (pictures / f"{name}.svg").write_text(drawing(facts))
        sign = "+" if facts.macs >= 0 else ""
        figures = f"{facts.parameters:,} parameters, {sign}{short(facts.macs)} MACs beside `concat`"
        parts.append(
            _section(name, header("model/skip", name), facts, figures, f"\n![{name}](zoo/{name}.svg)\n")
        )
    models = []
    for name in list_models():
        facts = model_facts(name)
        at = " x ".join(map(str, facts.size))
        figures = f"{facts.parameters:,} parameters, {short(facts.macs)} MACs at {at}"
        models.append(_section(name, header("model", name), facts, figures, ""))
    for picture in {*pictures.glob("*.svg")} - {pictures / f"{name}.svg" for name in list_skips()}:
        picture.unlink()
    (HERE / "zoo.md").write_text(_PAGE.format(size=size, skips="\n".join(parts), models="\n".join(models)))


_PAGE = """\
# The zoo

Written by `python docs/make_zoo.py` from `configs/model/`; every figure is measured on the network that the
config builds. `unetzoo list skips --details` and `unetzoo list models --details` print the same.

No code of others is copied: what a reference implementation's licence says is listed so that you know it.
"Faithful" follows the paper, or the released code where the two differ and the line says so; a
"reconstruction" says what is known and what is ours.

## Skip pathways

Measured between the `conv2d` encoder (32 to 512 channels) and the `conv` decoder, for an image of
{size[2]} ({size[3]} where a pathway is for 3D alone). MACs are multiply-adds of convolutions and matrix
products, beside those of the same network with `concat`. In the drawings the encoder's rows are blue, what
the pathway changes is red, and a red arrow says that the skip of a row depends on another row of the encoder
(found by differentiating). An orange dot at the right is a merge of the pathway's own, a white one a
concatenation.

{skips}
## Named models

For three bands (one in 3D) and two classes, at {size[2]} or {size[3]}.

{models}"""


if __name__ == "__main__":
    main()
