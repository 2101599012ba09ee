"""List what can be put together.

usage: unetzoo list                     every group and its options
       unetzoo list skips               the options of one group, a line each
       unetzoo list skips 'att*'        those that match
       unetzoo list encoders 'resnet*'  also timm's backbones, all of which work as encoder=timm
       unetzoo list skips --details     with source, licence of the reference code, size, operations and which
                                        rows reach which (also models; takes seconds: each one is built)

A group's options are the files in its config folder.
"""

from fnmatch import fnmatchcase
from pathlib import Path

from unetzoo.cli.suggest import did_you_mean, one_of
from unetzoo.configs import ROOT

GROUPS = {  # what is asked for: the folder under configs/, which is also the name of the override
    "models": "model",
    "encoders": "model/encoder",
    "skips": "model/skip",
    "decoders": "model/decoder",
    "contexts": "model/context",
    "heads": "model/head",
    "auxiliaries": "model/auxiliary",
    "data": "data",
    "augment": "augment",
    "losses": "loss",
    "tasks": "task",
    "optimizers": "optimizer",
    "schedulers": "scheduler",
    "trainers": "trainer",
    "callbacks": "callbacks",
    "loggers": "logger",
    "experiments": "experiment",
}


def run(args: list[str]) -> int:
    """Print the groups, or the options of one."""
    details = "--details" in args
    args = [word for word in args if word != "--details"]
    if "-h" in args or "--help" in args:
        print(__doc__)
    elif details:
        group = _group(args[0]) if args else ""
        if group not in ("model", "model/skip") or len(args) > 2:
            raise ValueError("--details is for skips and models; try unetzoo list skips --details")
        for name in _matching(group, args[1] if len(args) == 2 else "*"):
            print(_details(group, name), end="\n\n", flush=True)
    elif not args:
        print("\n\n".join(_overview(what, folder) for what, folder in GROUPS.items()))
        print("\n`unetzoo list skips` says what each one is; `unetzoo train model/skip=nested` uses it")
    elif len(args) <= 2:
        print(_listing(_group(args[0]), args[1] if len(args) == 2 else "*"))
    else:
        raise ValueError(f"list takes a group and a pattern, not {' '.join(args)!r}; quote the pattern")
    return 0


def options(folder: str) -> dict[str, Path]:
    """The YAML files of a config group, by the name that selects them; subfolders are groups of their own."""
    return {path.stem: path for path in sorted((ROOT / folder).glob("*.yaml"))}


def headline(path: Path) -> str:
    """The first comment line of a YAML file, which says what it is."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#") and "@package" not in line:
                return line.lstrip("# ").rstrip()
    return ""


def _group(word: str) -> str:
    by_name = GROUPS | {folder: folder for folder in GROUPS.values()}
    by_name |= {folder.split("/")[-1]: folder for folder in GROUPS.values()}
    if word not in by_name:
        raise ValueError(
            f"there is no group {word!r}{did_you_mean(word, GROUPS)}; groups: {one_of(GROUPS, 20)}"
        )
    return by_name[word]


def _overview(what: str, folder: str) -> str:
    words, lines = list(options(folder)), [f"{what} ({folder}=...)"]
    for word in words:
        if len(lines) == 1 or len(lines[-1]) + len(word) > 98:
            lines.append(" ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def _matching(folder: str, pattern: str) -> dict[str, Path]:
    return {name: path for name, path in options(folder).items() if fnmatchcase(name, pattern)}


def _details(group: str, name: str) -> str:
    """Header and measured facts of a skip pathway or a named model."""
    from unetzoo.catalog import header, model_facts, short, skip_facts

    told = header(group, name)
    facts = skip_facts(name) if group == "model/skip" else model_facts(name)
    size = " x ".join(map(str, facts.size))
    beside = " beside concat" if group == "model/skip" else ""
    sign = "+" if beside and facts.macs >= 0 else ""
    lines = {
        "source": told.source,
        "reference": told.reference,
        "fidelity": told.fidelity,
        "limits": told.limits,
        "for": ", ".join(f"{n}D" for n in facts.ndims),
        "size": f"{facts.parameters:,} parameters, {sign}{short(facts.macs)} MACs{beside} at {size}",
        "at first": f"equals {facts.identity}" if facts.identity else "",
        "ONNX": "any image size" if facts.dynamic else "the tile's size only",
        "rows": "; ".join(f"{i} from {' '.join(map(str, rows))}" for i, rows in enumerate(facts.flow)),
        "run": told.command,
    }
    body = [f"    {label:11}{text}" for label, text in lines.items() if text]
    return "\n".join([f"{name}: {told.what}", *body])


def _listing(folder: str, pattern: str) -> str:
    found = _matching(folder, pattern)
    width = max([22, *map(len, found)]) + 2
    lines = [f"{name:{width}}{headline(path)}" for name, path in found.items()]
    if folder == "model/encoder" and pattern != "*":
        lines += _timm(pattern)
    if not lines:
        raise ValueError(f"no {folder} matches {pattern!r}{did_you_mean(pattern, options(folder))}")
    return "\n".join(lines)


def _timm(pattern: str) -> list[str]:
    from unetzoo import list_encoders

    return [name for name in list_encoders(pattern) if name not in options("model/encoder")]
