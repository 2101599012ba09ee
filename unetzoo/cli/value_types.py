"""Checks that overrides keep the kind of value a config has: ``trainer.max_epochs=many`` is a mistake.

The tree has no schemas (the parts' signatures are the schema), so the default in the YAML says which
kind is meant. Only what cannot be right is refused: words for numbers, anything but true and false for a
switch, one word for a list or for a part. A default of null says nothing.
"""

from collections.abc import Iterable
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException


def check_value_types(config: str) -> None:
    """Compare the overrides of the running Hydra job with the defaults they replace.

    Raises:
        ValueError: Naming the first override that is of the wrong kind.
    """
    running = HydraConfig.get()
    choices = running.runtime.choices
    overrides = OverridesParser.create().parse_overrides(list(running.overrides.task))
    # a group that stands in one place only is listed with it, model/context@model.decoder.context
    groups = [o for o in overrides if {o.key_or_group, f"{o.key_or_group}@{o.package}"} & choices.keys()]
    values = [o for o in overrides if o not in groups]
    for override in values:
        if "/" in override.key_or_group:  # Hydra takes it for a key that happens to have a slash
            raise ValueError(f"there is no config group {override.key_or_group!r}; `unetzoo list` shows them")
    values = [o for o in values if not (o.is_add() or o.is_delete())]
    if not values:
        return
    defaults = compose(config, overrides=[o.input_line or "" for o in groups])
    for override in values:
        try:
            default = OmegaConf.select(defaults, override.key_or_group)
        except OmegaConfBaseException:  # the default itself does not resolve, so it says nothing
            continue
        wanted = _wanted(default, override, choices)
        if wanted:
            given = override.get_value_element_as_str()
            raise ValueError(f"{override.key_or_group}={given}: expected {wanted}")


def _wanted(default: Any, override: Override, groups: Iterable[str]) -> str:
    """What kind of value is wanted where another was given, else nothing."""
    value = override.value()
    if value is None or (isinstance(value, str) and "${" in value):
        return ""
    if isinstance(default, DictConfig) and not isinstance(value, dict):
        group = override.key_or_group.replace(".", "/")
        return f"a part with keys; {group}={value} chooses one" if group in groups else "keys and values"
    if isinstance(default, ListConfig) and not isinstance(value, list):
        return f"a list, as {default}"
    if isinstance(default, bool) and not isinstance(value, bool):
        return "true or false"
    if _is_number(default) and not _is_number(value):
        return f"a number, as {default}"
    # a list in the place of a word is a mistake; a number may be meant (trainer.precision=16)
    if isinstance(default, str) and isinstance(value, list | dict):
        return f"one word, as {default}"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
