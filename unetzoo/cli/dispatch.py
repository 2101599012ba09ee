"""The command line: ``unetzoo <verb> [arguments]``.

``--help``, ``--version`` and ``list`` must answer at once, so this file and ``list`` import the standard
library only; a verb's module is imported when the verb is called.

Exit codes: 0 fine, 1 a bug (traceback), 2 a user's error (one sentence), 3 a check failed, 4 partly done,
130 interrupted, 143 terminated.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from unetzoo.cli.suggest import did_you_mean

VERBS = {
    "train": "train a model; the same command again resumes an unfinished run",
    "eval": "measure a checkpoint on a split: table per case, summary, HTML report",
    "calibrate": "fit a temperature on val, so that probabilities come true as often as they say",
    "compare": "evaluated runs with each other: paired differences, intervals, corrected p-values",
    "predict": "write label maps for files and folders, with the input's geometry",
    "export": "write an ONNX file that carries all it needs to run without torch",
    "bundle": "write a trained network as a MONAI bundle",
    "convert": "take over a network trained with segmentation_models.pytorch",
    "list": "what there is: models, encoders, skips, decoders, heads, data, losses, experiments ...",
    "explain": "print the composed model: levels, parameters, MACs, memory of the skips",
    "bench": "measure operations and models on this machine, beside its roofline",
    "doctor": "look at this installation and this machine, and say what is wrong",
    "plan": "look at a set and write an experiment for it, with the reason for each line",
    "data": "`data check`: every file that would fail, and leaks; `data split`, `data to-nnunet`",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    args = [word for word in given if word not in ("-v", "--verbose")]
    verb = args[0] if args and args[0] in VERBS else ""
    try:
        return _run(args)
    except KeyboardInterrupt:
        return _interrupted(verb)
    except BrokenPipeError:
        # the reader (head, less) has gone: keep Python from complaining again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as leave:
        # Lightning shuts down on Ctrl-C and then leaves with 1
        if isinstance(leave.__context__, KeyboardInterrupt):
            return _interrupted(verb)
        if type(leave).__name__ == "SIGTERMException":
            return 143
        raise
    except Exception as error:
        return _failed(error, verb, verbose=len(args) < len(given))


def _run(args: list[str]) -> int:
    if not args or args[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    verb, *rest = args
    if verb == "--version":
        from unetzoo import __version__

        print(f"unetzoo {__version__}")
        return 0
    if verb in ("-sc", "--shell-completion"):
        verb = "completion"
    elif verb not in VERBS:
        raise ValueError(
            f"there is no verb {verb!r}{did_you_mean(verb, VERBS)}; `unetzoo --help` shows all {len(VERBS)}"
        )
    code = import_module(f"unetzoo.cli.{verb}").run(rest)
    assert isinstance(code, int)
    return code


def _help() -> str:
    verbs = "\n".join(f"  {verb:11}{what}" for verb, what in VERBS.items())
    return f"""unetzoo: segmentation networks whose skip pathway is a part of its own

usage: unetzoo <verb> [key=value ...]

{verbs}

  unetzoo list                              what can be put together
  unetzoo train experiment=demo             a first run, two minutes, nothing to download
  unetzoo train data=folder data.images=... data.masks=...     your own images
  unetzoo <verb> --help                     a verb's own arguments

  -v, --verbose   show the traceback of an error          --version   show the version
  --cfg job       show the composed config and stop       --multirun  one run per combination of a,b,c
  tab completion in bash: eval "$(unetzoo -sc install=bash)\""""


def _failed(error: Exception, verb: str, *, verbose: bool) -> int:
    import traceback

    from unetzoo.cli.errors import sentence

    message = sentence(error)
    if message is None or verbose:
        traceback.print_exception(error)
    if message is None:
        return 1
    print(f"unetzoo {verb}".rstrip() + f": {message}", file=sys.stderr)
    return 2


def _interrupted(verb: str) -> int:
    resume = "; the same command again resumes from the last checkpoint" if verb == "train" else ""
    print(f"unetzoo {verb}".rstrip() + f": interrupted{resume}", file=sys.stderr)
    return 130
