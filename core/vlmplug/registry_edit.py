"""Changes the user's registry file by one value and leaves every other byte as it is, comments included."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmplug.errors import RegistryError
from vlmplug.registry_file import FORMAT, read_registry_file
from vlmplug.yaml_edit import Layout, written

KEY = "default_model_type"

_FIRST = "registry"
_NEW_FILE = f"""\
# Your own registry of vlmplug: plugins, values of model types, and what is taken where no model is named.
# `vlmplug plugins schema registry` prints its format.
{_FIRST}: {FORMAT}
"""


def set_default(file: Path, model_type: str) -> None:
    """Writes the default model type into a registry file; one that is not there is made.

    :raises RegistryError: the file is broken, laid out in a way that cannot be changed safely, or cannot be written;
        it is left as it was.
    """
    _set(file, (KEY,), model_type, written(model_type))


def unset_default(file: Path) -> bool:
    """Takes the default model type out of a registry file.

    :returns: whether there was one.
    :raises RegistryError: as `set_default`.
    """
    text = _checked_text(file)
    if text is None or KEY not in (before := _data(file, text)):
        return False
    after = {key: value for key, value in before.items() if key != KEY}
    _write_checked(file, Layout(text, _FIRST).without(KEY), after, KEY)
    return True


def set_enabled(file: Path, plugin: str, enabled: bool) -> bool:
    """Writes into a registry file whether a plugin counts; one that is not there is made.

    :returns: whether the file said something else before.
    :raises RegistryError: as `set_default`.
    """
    return _set(file, ("plugins", plugin, "enabled"), enabled, str(enabled).lower())


def _set(file: Path, path: Sequence[str], value: object, value_text: str) -> bool:
    """Writes one value; whether that changed anything."""
    text = _checked_text(file)
    before = {} if text is None else _data(file, text)
    if _at(before, path) == value:
        return False
    text = _NEW_FILE if text is None else text
    expected = _with(_data(file, text), path, value)
    _write_checked(file, Layout(text, _FIRST).with_value(path, value_text), expected, ".".join(path))
    return True


def _checked_text(file: Path) -> str | None:
    """What the file says; None: it is not there."""
    if not os.path.lexists(file):
        return None
    read_registry_file(file, "user")
    return file.read_bytes().decode("utf-8")


def _data(file: Path, text: str) -> dict[str, Any]:
    from vlmplug.composer import compose

    data: dict[str, Any] = compose(file, text).data()
    return data


def _at(data: Any, path: Sequence[str]) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _with(data: Any, path: Sequence[str], value: object) -> Any:
    if not path:
        return value
    inner = data if isinstance(data, Mapping) else {}
    return {**inner, path[0]: _with(inner.get(path[0]), path[1:], value)}


def _write_checked(file: Path, text: str, expected: Mapping[str, Any], key: str) -> None:
    """Writes a text if it says what is expected, and nothing else."""
    try:
        found = _data(file, text)
    except (RegistryError, TypeError):
        found = None
    if found != expected:
        raise RegistryError(
            f"{file} is laid out in a way that cannot be changed safely.", f"Change {key} in it by hand."
        )
    _replace(file, text)


def _replace(file: Path, text: str) -> None:
    """Puts a text in the place of a file at once, or changes nothing; a link keeps pointing to it."""
    target = Path(os.path.realpath(file))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(text.encode("utf-8"))
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(name, target.stat().st_mode & 0o777 if target.exists() else 0o644)
            os.replace(name, target)
        except OSError:
            os.unlink(name)
            raise
    except OSError as error:
        problem = f"{file} cannot be written: {error.strerror}."
        raise RegistryError(problem, "Check the permissions of its folder.") from error
