"""Runs a verb as a Hydra application, with Hydra's switches and our errors."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from hydra import version
from hydra._internal.utils import _run_hydra, get_args_parser
from omegaconf import DictConfig

from unetzoo.cli.compose_errors import translate
from unetzoo.cli.errors import sentence
from unetzoo.cli.suggest import did_you_mean
from unetzoo.cli.value_types import check_value_types
from unetzoo.part_choice import taken_back

CONFIGS = "pkg://unetzoo.configs"

Work = Callable[[DictConfig], int | float]


def run_app(work: Work, config: str, args: list[str], about: str | None = None) -> int:
    """Compose ``configs/<config>.yaml`` with the overrides in ``args`` and call ``work`` on it.

    Everything Hydra's own main does stays: ``--multirun``, ``--cfg``, ``--info``, ``--config-dir``,
    ``--shell-completion``. Hydra's printing of errors does not: each becomes one sentence.

    Args:
        work: Takes the composed config and returns the exit code; or, where all went well, a float, which a
            sweeper may optimise.
        about: What ``--help`` prints before Hydra's own help.

    Returns:
        The exit code; with ``--multirun`` 4 when some jobs failed and others did not.
    """
    version.setbase("1.3")
    parser = get_args_parser()
    parser.error = _refuse_arguments(list(parser._option_string_actions))  # type: ignore[assignment]
    parsed = parser.parse_intermixed_args(args)  # Hydra's own wants its switches last
    if parsed.help and about:
        print(about.strip() + "\n")
    parsed.overrides += taken_back(parsed.overrides)
    codes: list[int] = []
    failures: list[Exception] = []
    owner = os.getpid()

    def job(cfg: DictConfig) -> float | None:
        try:
            check_value_types(parsed.config_name or config)
            result = work(cfg)
            codes.append(result if isinstance(result, int) else 0)
            return result
        except Exception as error:
            if os.getpid() != owner:  # a launcher's worker: only Hydra can carry the error home
                raise
            # caught here, because Hydra adds a line of its own to whatever it sees go by
            failures.append(error)
            return None

    job.__module__ = work.__module__  # Hydra takes the job's name from it
    try:
        with _errors_raised(), _messages():
            _run_hydra(
                args=parsed, args_parser=parser, task_function=job, config_path=CONFIGS, config_name=config
            )
    except SystemExit as leave:
        if type(leave) is not SystemExit or isinstance(leave.__context__, KeyboardInterrupt):
            raise  # Lightning's, after a signal
        return 2 if leave.code else 0  # Hydra's, after --help or for a --package that is not there
    except Exception as error:
        failures = failures or [error]  # a sweeper complains of what it did not get
    failures = [translate(error, config, parsed.overrides) for error in failures]
    if len(codes) + len(failures) > 1:
        return _after_sweep(codes, failures)
    if failures:
        raise failures[0]
    return max(codes, default=0)


@contextmanager
def _errors_raised() -> Iterator[None]:
    """Hydra raises instead of printing and leaving."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before


@contextmanager
def _messages() -> Iterator[None]:
    """What the library has to say goes to standard output; standard error is for what went wrong."""
    logger = logging.getLogger("unetzoo")
    handler = logging.StreamHandler(sys.stdout)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # or Hydra's own handlers, where a config has some, say it again
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def _after_sweep(codes: list[int], failures: list[Exception]) -> int:
    for failure in failures:
        if sentence(failure) is None:
            raise failure
        print(f"unetzoo: {sentence(failure)}", file=sys.stderr)
    if failures:
        return 4 if codes else 2
    return max(codes)


def _refuse_arguments(flags: list[str]) -> Callable[[str], NoReturn]:
    def refuse(message: str) -> NoReturn:
        _, _, unknown = message.partition("unrecognized arguments: ")
        hint = did_you_mean(unknown.split()[0].split("=")[0], flags) if unknown else ""
        raise ValueError(f"{message}{hint}; `unetzoo <verb> --help` shows what there is")

    return refuse
