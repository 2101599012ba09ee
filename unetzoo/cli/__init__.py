"""The command line, one file per verb.

Only ``main`` lives here: the verbs ``list`` and ``eval`` are submodules, and would hide the builtins of
any code in this file.
"""

from unetzoo.cli.dispatch import main

__all__ = ["main"]
