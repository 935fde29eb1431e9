"""Changes the user's registry file by one key and leaves every other byte as it is, comments included."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from vlmplug.errors import RegistryError
from vlmplug.registry_file import FORMAT, read_registry_file

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node

KEY = "default_model_type"

_NEW_FILE = """\
# Your own registry of vlmplug: plugins, values of model types, and what is taken where no model is named.
# `vlmplug plugins schema registry` prints its format.
"""


def set_default(file: Path, model_type: str) -> None:
    """Writes the default model type into a registry file; one that is not there is made.

    :raises RegistryError: the file is broken, laid out in a way that cannot be changed safely, or cannot be written;
        it is left as it was.
    """
    if not os.path.lexists(file):
        _replace(file, f"{_NEW_FILE}registry: {FORMAT}\n{KEY}: {_written(model_type)}\n")
        return
    text = _checked_text(file)
    _write_checked(file, text, _Layout(text).with_default(_written(model_type)), model_type)


def unset_default(file: Path) -> bool:
    """Takes the default model type out of a registry file.

    :returns: whether there was one.
    :raises RegistryError: as `set_default`.
    """
    if not os.path.lexists(file):
        return False
    text = _checked_text(file)
    changed = _Layout(text).without_default()
    if changed == text:
        return False
    _write_checked(file, text, changed, None)
    return True


def _written(model_type: str) -> str:
    """The name as YAML reads it back as text."""
    return model_type if re.fullmatch(r"(?!(?:null|true|false)$)[a-z][a-z0-9._-]*", model_type) else f'"{model_type}"'


@dataclass
class _Layout:
    """The text of a registry file and where its keys stand in it."""

    text: str

    def __post_init__(self) -> None:
        import yaml

        # The parser in Python: its marks count characters of the text, whatever they are.
        self.top = cast("MappingNode", yaml.compose(self.text, Loader=yaml.SafeLoader))
        self.pairs: dict[str, tuple[Node, Node]] = {key.value: (key, value) for key, value in self.top.value}

    def with_default(self, value_text: str) -> str:
        """The text with that default; a new line stands behind that of ``registry``."""
        if KEY in self.pairs:
            value = self.pairs[KEY][1]
            start, end = value.start_mark.index, value.end_mark.index
            return f"{self.text[:start]}{' ' if start == end else ''}{value_text}{self.text[end:]}"
        key, value = self.pairs["registry"]
        if self.top.flow_style:
            end = value.end_mark.index
            return f"{self.text[:end]}, {KEY}: {value_text}{self.text[end:]}"
        place, line_end = self._next_line(value.end_mark.index)
        line = f"{' ' * key.start_mark.column}{KEY}: {value_text}{line_end}"
        separator = "" if self.text[:place].endswith(("\n", "\r")) else line_end
        return f"{self.text[:place]}{separator}{line}{self.text[place:]}"

    def without_default(self) -> str:
        """The text without the key, its line, and what stands behind it on that line."""
        if KEY not in self.pairs:
            return self.text
        key, value = self.pairs[KEY]
        if self.top.flow_style:
            before, behind = self.text[: key.start_mark.index], self.text[value.end_mark.index :]
            return before.rstrip().removesuffix(",") + behind
        place, _ = self._next_line(value.end_mark.index)
        return self.text[: key.start_mark.index - key.start_mark.column] + self.text[place:]

    def _next_line(self, index: int) -> tuple[int, str]:
        """Where the line after that of a place begins, and how the file ends its lines."""
        match = re.compile(r"\r\n|\r|\n").search(self.text, index)
        ending = re.search(r"\r\n|\r|\n", self.text)
        return match.end() if match else len(self.text), ending[0] if ending else "\n"


def _checked_text(file: Path) -> str:
    read_registry_file(file, "user")
    return file.read_bytes().decode("utf-8")


def _write_checked(file: Path, before: str, after: str, model_type: str | None) -> None:
    """Writes the new text if it says what the old one said, and the default, and nothing else."""
    from vlmplug.composer import compose

    expected = {**compose(file, before).data(), KEY: model_type}
    try:
        found = {KEY: None, **compose(file, after).data()}
    except (RegistryError, TypeError):
        found = None
    if found != expected:
        raise RegistryError(
            f"{file} is laid out in a way that cannot be changed safely.", f"Change {KEY} in it by hand."
        )
    _replace(file, after)


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
