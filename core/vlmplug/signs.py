"""Signs of a checkpoint: read from a manifest, and looked for in the files of a model folder. Nothing is executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmplug.config_json import CONFIG, value_at
from vlmplug.model_type import Signs

if TYPE_CHECKING:
    from vlmplug.document import Value

#: Required keys of signs in a manifest, and others.
SIGNS_KEYS: tuple[tuple[str, ...], tuple[str, ...]] = ((), ("present", "absent", "equal", "text"))
#: Bytes of a text file that are searched; the files meant here are source files and model cards.
MAX_TEXT_BYTES = 1_000_000


def read_signs(value: Value) -> Signs:
    """The signs that a manifest declares.

    :raises ManifestError: an unknown key, a wrong type, or a file that is not beside ``config.json``.
    """
    fields = value.fields(*SIGNS_KEYS)
    return Signs(
        present=fields["present"].texts() if "present" in fields else (),
        absent=fields["absent"].texts() if "absent" in fields else (),
        equal={key: part.data() for key, part in _entries(fields, "equal")},
        text={_file_name(name, part): part.text() for name, part in _entries(fields, "text")},
    )


def contradictions(signs: Signs, config: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """What speaks against a checkpoint having these signs, one sentence each.

    :param folder: where the files are; one that is not there, or is no text, says nothing.
    """
    for key in signs.present:
        if value_at(config, key) is None:
            yield f"{CONFIG} has no {key}"
    for key in signs.absent:
        if value_at(config, key) is not None:
            yield f"{CONFIG} has {key}"
    for key, expected in signs.equal.items():
        if (found := value_at(config, key)) is not None and found != expected:
            yield f"{key} is {shown(found)}, not {shown(expected)}"
    for name, words in signs.text.items():
        if (text := _text(folder / name)) is not None and words not in text:
            yield f"{name} does not say “{words}”"


def shown(value: Any) -> str:
    """A value of ``config.json`` in a sentence, cut where it is long."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _entries(fields: Mapping[str, Value], key: str) -> list[tuple[str, Value]]:
    return list(fields[key].entries().items()) if key in fields else []


def _file_name(name: str, value: Value) -> str:
    if Path(name).name != name or "\\" in name:
        raise value.error(f"{name!r} is no name of a file.", "Name a file beside config.json.")
    return name


def _text(file: Path) -> str | None:
    try:
        if not file.is_file():
            return None
        with file.open("rb") as stream:
            return stream.read(MAX_TEXT_BYTES).decode("utf-8", "ignore")
    except OSError:
        return None
