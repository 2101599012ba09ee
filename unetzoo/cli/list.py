"""List what can be put together.

usage: unetzoo list                     every group and its options
       unetzoo list skips               the options of one group, a line each
       unetzoo list skips 'att*'        those that match
       unetzoo list encoders 'resnet*'  also timm's backbones, all of which work as encoder=timm

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
    "heads": "model/head",
    "auxiliaries": "model/auxiliary",
    "data": "data",
    "augment": "augment",
    "losses": "loss",
    "optimizers": "optimizer",
    "schedulers": "scheduler",
    "trainers": "trainer",
    "callbacks": "callbacks",
    "loggers": "logger",
    "experiments": "experiment",
}


def run(args: list[str]) -> int:
    """Print the groups, or the options of one."""
    if "-h" in args or "--help" in args:
        print(__doc__)
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


def _listing(folder: str, pattern: str) -> str:
    found = {name: path for name, path in options(folder).items() if fnmatchcase(name, pattern)}
    lines = [f"{name:24}{headline(path)}" for name, path in found.items()]
    if folder == "model/encoder" and pattern != "*":
        lines += _timm(pattern)
    if not lines:
        raise ValueError(f"no {folder} matches {pattern!r}{did_you_mean(pattern, options(folder))}")
    return "\n".join(lines)


def _timm(pattern: str) -> list[str]:
    from unetzoo import list_encoders

    return [name for name in list_encoders(pattern) if name not in options("model/encoder")]
