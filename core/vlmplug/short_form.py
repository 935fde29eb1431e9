"""Values in short, for traces and messages: never longer than a line, whatever they are and however they misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import islice
from pathlib import PurePath
from typing import Any

#: Characters of a text, entries of a collection and levels of nesting that are shown.
_TEXT, _ENTRIES, _LEVELS = 60, 3, 4
#: Descriptions that say no more than type and address.
_ANONYMOUS: tuple[object, ...] = (object.__repr__,)
#: Characters of a whole value.
_LONGEST = 300


def short(value: object, longest: int = _LONGEST) -> str:
    """A value in one line of at most ``longest`` characters.

    Arrays and tensors as dtype and shape, collections as their first few entries and how many more there are, texts
    cut, objects by those of their fields that are not at their defaults, four levels deep.
    """
    return _cut(_short(value, _LEVELS), longest)


def short_error(error: BaseException) -> str:
    """An exception as its type and message, in one line of at most 300 characters."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # a plugin's exception may fail to describe itself
        text = ""
    return _cut(f"{type(error).__name__}: {text}" if text else type(error).__name__, _LONGEST)


def _short(value: object, levels: int) -> str:
    try:
        return next((shown for fits, shown in _FORMS if fits(value)), _plain)(value, levels)
    except Exception as error:  # a value of a plugin may fail to show itself
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _text(value: Any, levels: int) -> str:
    rest = len(value) - _TEXT
    return repr(value) if rest <= 0 else f"{value[:_TEXT]!r}… {rest} more"


def _bytes(value: Any, levels: int) -> str:
    return f"{len(value)} bytes"


def _array(value: Any, levels: int) -> str:
    dtype = str(value.dtype).removeprefix("torch.")
    return f"{dtype}{list(value.shape)}" if len(value.shape) else f"{dtype}({value.item()})"


def _mapping(value: Any, levels: int) -> str:
    pairs = (f"{_short(key, levels - 1)}: {_short(part, levels - 1)}" for key, part in value.items())
    return "{" + _listed(pairs, len(value), levels) + "}"


def _sequence(value: Any, levels: int) -> str:
    opened, closed = "[]" if isinstance(value, list) else "()" if isinstance(value, tuple) else "{}"
    return opened + _listed((_short(part, levels - 1) for part in value), len(value), levels) + closed


def _object(value: Any, levels: int) -> str:
    if not levels:
        return f"{type(value).__name__}(…)"
    chosen = [part for part in fields(value) if part.repr and not _at_default(value, part)]
    shown = (f"{part.name}={_short(getattr(value, part.name), levels - 1)}" for part in chosen)
    return f"{type(value).__name__}({', '.join(shown)})"


def _at_default(value: object, part: Field[Any]) -> bool:
    made = part.default_factory
    default, found = made() if made is not MISSING else part.default, getattr(value, part.name)
    return type(default) is type(found) and bool(default == found)


def _path(value: Any, levels: int) -> str:
    return repr(str(value))


def _picture(value: Any, levels: int) -> str:
    return f"{value.mode}[{value.size[0]}x{value.size[1]}]"


def _plain(value: Any, levels: int) -> str:
    anonymous = type(value).__repr__ in _ANONYMOUS
    return f"<{type(value).__name__}>" if anonymous else _cut(repr(value), _TEXT)


def _listed(parts: Iterable[str], count: int, levels: int) -> str:
    if not levels:
        return "…" if count else ""
    rest = f", … {count - _ENTRIES} more" if count > _ENTRIES else ""
    return ", ".join(islice(parts, _ENTRIES)) + rest


def _cut(text: str, longest: int) -> str:
    line = " ".join(text.splitlines())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _is_array(value: object) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape")


def _is_object(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _is_picture(value: object) -> bool:
    return hasattr(value, "mode") and hasattr(value, "size") and hasattr(value, "getpixel")


#: Which values are shown how; the first that fits.
_FORMS: tuple[tuple[Callable[[object], bool], Callable[[Any, int], str]], ...] = (
    (lambda value: isinstance(value, str), _text),
    (lambda value: isinstance(value, PurePath), _path),
    (lambda value: isinstance(value, bytes | bytearray | memoryview), _bytes),
    (_is_array, _array),
    (_is_picture, _picture),
    (_is_object, _object),
    (lambda value: isinstance(value, Mapping), _mapping),
    (lambda value: isinstance(value, tuple | list | set | frozenset), _sequence),
)
