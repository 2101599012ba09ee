"""Between dataclasses and the plain values of JSON and YAML."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin

__all__ = ["fields_of", "plain"]


def plain(value: Any) -> Any:
    """Tuples to lists, all the way down."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def fields_of(cls: type, values: Any, where: str) -> dict[str, Any]:
    """Constructor arguments of a dataclass from plain values, by its annotations.

    Args:
        cls: The dataclass.
        values: A mapping of its fields.
        where: Names the mapping in errors.

    Raises:
        ValueError: If a key is unknown or missing, or a value is of another kind.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} must be a mapping; given {values!r}")
    known = {item.name: item for item in fields(cls)}
    unknown = [str(key) for key in values if key not in known]
    if unknown:
        raise ValueError(f"{where} has the unknown key '{unknown[0]}'; known are {', '.join(known)}")
    for name, item in known.items():
        if name not in values and item.default is MISSING and item.default_factory is MISSING:
            raise ValueError(f"{where} lacks the key '{name}'")
    return {name: _read(known[name].type, value, f"{where}.{name}") for name, value in values.items()}


def _read(kind: Any, value: Any, where: str) -> Any:
    """The plain ``value`` as the annotation ``kind`` says, or a ValueError naming ``where``."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:  # all unions here are "X | None"
        return None if value is None else _read(inner[0], value, where)
    if is_dataclass(kind) and isinstance(kind, type):
        return kind(**fields_of(kind, value, where))
    if origin is tuple and isinstance(value, list | tuple):
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(kinds) == len(value):
            return tuple(
                _read(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True))
            )
    if origin is Mapping and isinstance(value, Mapping):
        return {str(key): _read(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type(value) is kind:
        return value
    raise ValueError(f"{where} is {value!r} but must be {_words(kind)}")


def _words(kind: Any) -> str:
    """An annotation for people."""
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        return "a list" if inner[-1] is Ellipsis else f"a list of {len(inner)} values"
    words = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    return words.get(kind, "a mapping")
