"""Hydra's and OmegaConf's errors in one sentence: the key, what was given, what is allowed."""

import inspect
import re
from collections.abc import Iterator

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from unetzoo.cli.errors import sentence
from unetzoo.cli.list import GROUPS
from unetzoo.cli.suggest import did_you_mean, one_of

_PLUGINS = {
    "hydra/sweeper/optuna": "sweep",
    "hydra/launcher/joblib": "sweep",
    "hydra/launcher/submitit_local": "slurm",
    "hydra/launcher/submitit_slurm": "slurm",
}
"""What comes with packages of their own, and our extra that has them."""


def translate(error: Exception, config: str, overrides: list[str]) -> Exception:
    """A ValueError with the sentence where ``error`` is a user's mistake, else what is to be raised."""
    if isinstance(error, InstantiationException):
        return _instantiation(error)
    if isinstance(error, MissingConfigException):
        message = _missing_option(error)
    elif isinstance(error, OverrideParseException):
        message = _unreadable(error)
    elif isinstance(error, HydraException):
        message = _composition(error, config, overrides)
    elif isinstance(error, MissingMandatoryValue):
        message = f"{error.full_key} has no value; add {error.full_key}=..."
    elif isinstance(error, OmegaConfBaseException):
        message = f"{error.full_key or config}: {_first_line(error)}"
    elif isinstance(error, TypeError) and (typed := _typed_argument(error, overrides)):
        message = f"{typed}: {error}"
    elif isinstance(error, RuntimeError) and (told := _not_submitted(error)):
        message = told
    else:
        return error
    return _user_error(message, error)


def _user_error(message: str, cause: BaseException) -> ValueError:
    error = ValueError(message)
    error.__cause__ = cause  # what --verbose shows
    return error


def _typed_argument(error: TypeError, overrides: list[str]) -> str | None:
    """The override that gave a part an argument which it does not have.

    A part that is made late (``_partial_``) is called by the code, so Hydra does not wrap its TypeError;
    that the user typed the argument's name tells it from a bug.
    """
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    ends = (f".{unexpected[1]}", f"+{unexpected[1]}") if unexpected else ("=",)
    return next((o for o in overrides if o.split("=")[0].endswith(ends)), None)


def _not_submitted(error: RuntimeError) -> str | None:
    """What went wrong between submitit and its jobs, whose own errors come as they are."""
    if 'Could not detect "srun"' in str(error):
        return (
            "there is no SLURM here that a job could be given to; use a machine that has srun, or "
            "hydra/launcher=submitit_local"
        )
    if type(error).__module__ == "submitit.core.utils":
        return f"{' '.join(str(error).strip(' -').split())}; the same command goes on where its runs were"
    return None


def _missing_option(error: MissingConfigException) -> str:
    if extra := _PLUGINS.get(error.missing_cfg_file or ""):
        return f"{error.missing_cfg_file} is a plugin of Hydra's: pip install 'unetzoo[{extra}]'"
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    if not group:
        return _first_line(error)
    if not error.options:
        hint = did_you_mean(group, set(_groups()) - {group})
        return f"there is no config group {group!r}{hint}; `unetzoo list` shows them"
    where = re.match(r"In '(.+?)': ", str(error))
    inside = f" (asked for in {where[1]})" if where and "/" in where[1] else ""
    listing = {folder: what for what, folder in GROUPS.items()}.get(group)
    look = f"`unetzoo list {listing}` shows" if listing else "there are"
    hint = did_you_mean(option, error.options)
    return f"{group}={option}: no such option{inside}{hint}; {look} {one_of(error.options)}"


def _unreadable(error: OverrideParseException) -> str:
    return (
        f"cannot read {error.override!r}; write key=value, and quote a value that has spaces, "
        f"commas, brackets or an = in it, as in 'key=\"a b\"'"
    )


def _composition(error: HydraException, config: str, overrides: list[str]) -> str:
    found = re.search(r"Could not (?:override|delete|delete from config) '(.+?)'", str(error))
    if found is None:
        cause = f": {_first_line(error.__cause__)}" if error.__cause__ else ""
        return _first_line(error) + cause
    typed = key = found[1]
    if isinstance(error.__cause__, OmegaConfBaseException) and error.__cause__.full_key:
        key = error.__cause__.full_key  # within the mapping that was given
    if key.startswith("model/") and "@model." in key:
        return f"this model's own encoder wraps another one; choose that one, {key}=..."
    if "@" in key:
        return f"{key} is not in the defaults list of the {config} config; +{key}=... adds it"
    keys = list(_keys(_composed(config, [o for o in overrides if typed not in o])))
    parent, _, last = key.rpartition(".")
    siblings = [k.rpartition(".")[2] for k in keys if parent and k.rpartition(".")[0] == parent]
    # the same last word elsewhere is what is meant by lr=... and skip=...; else it is a slip in spelling
    elsewhere = [k for k in [*_groups(), *keys] if re.split(r"[./]", k)[-1] == last]
    if elsewhere:
        hint = f" (did you mean {elsewhere[0]}?)"
    elif siblings:
        hint = did_you_mean(last, siblings) + f"; {parent} has {one_of(siblings)}"
    else:
        hint = did_you_mean(key, [*_groups(), *keys])
    return (
        f"{key} is not a key of the {config} config{hint}; `--cfg job` shows every key, +key=value adds one"
    )


def _instantiation(error: InstantiationException) -> Exception:
    """Unwraps to the part's own complaint; anything that is no user's mistake is handed back as it was."""
    cause = error.__cause__
    key = re.search(r"full_key: (\S+)", str(error))
    where = f"{key[1]}: " if key else ""
    if isinstance(cause, InstantiationException):
        return _instantiation(cause)
    target = re.search(r"'([\w.]+)'", str(error))
    if cause is None or "Error in call" not in str(error):
        reason = f" ({' '.join(str(cause).split())})" if cause else ""
        message = f"{where}{_first_line(error).split(', set env var')[0]}{reason}"
    elif isinstance(cause, TypeError):
        message = f"{where}{cause}{_argument_hint(str(cause), target[1] if target else '')}"
    elif (told := sentence(cause)) is not None:
        message = where + told
    else:
        assert isinstance(cause, Exception)
        return cause
    return _user_error(message, error)


def _argument_hint(message: str, target: str) -> str:
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", message)
    if unexpected is None or not target:
        return ""
    arguments = list(inspect.signature(get_method(target)).parameters)
    return f"{did_you_mean(unexpected[1], arguments)}; it takes {one_of(arguments)}"


def _composed(config: str, overrides: list[str]) -> DictConfig:
    """The config without the faulty override, to look for what was meant; empty if that fails too."""
    GlobalHydra.instance().clear()
    with initialize_config_module("unetzoo.configs", version_base="1.3"):
        for attempt in (overrides, []):
            try:
                return compose(config, overrides=attempt)
            except (HydraException, OmegaConfBaseException):
                continue
    return OmegaConf.create()


def _keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for name, value in node.items_ex(resolve=False):
        yield prefix + str(name)
        if isinstance(value, DictConfig) and not value._is_none():
            yield from _keys(value, f"{prefix}{name!s}.")


def _groups() -> list[str]:
    return list(GROUPS.values())


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
