"""Tab completion: ``eval "$(unetzoo -sc install=bash)"`` (also fish and zsh).

Hydra completes the overrides of one application; here the verb comes first, and says which one.
"""

import os

from unetzoo.cli.app import run_app
from unetzoo.cli.dispatch import VERBS

_CONFIGS = {"explain": "train", "data": "train"}
_NO_CONFIG = ("list", "doctor", "bench")


def run(args: list[str]) -> int:
    """Install, uninstall or answer a query of the shell."""
    config = "train"
    if any(word.startswith("query=") for word in args):
        words = os.environ.get("COMP_LINE", "").split(" ")
        if len(words) <= 2:
            print(" ".join(verb for verb in VERBS if verb.startswith("".join(words[1:]))))
            return 0
        verb = words[1]
        if verb in _NO_CONFIG or verb not in VERBS:
            return 0
        os.environ["COMP_LINE"] = " ".join([words[0], *words[2:]])
        config = _CONFIGS.get(verb, verb)
    return run_app(lambda _: 0, config, ["--shell-completion", *args])
