"""Single values of model types that registry files change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmplug.document import Value
from vlmplug.light_dataclass import dataclass, field, replace
from vlmplug.manifest_fields import HUB_KEYS, HUGE, LIMITS_KEYS, aliases, hub_text, limit
from vlmplug.model_type import Layer, ModelType, Source

#: Keys of a model type that registry files may change; the others are its nature.
OVERRIDABLE = ("aliases", "checkpoint", "context_length", "hub", "limits")
#: Fields of a model type that are no keys.
_NO_KEYS = ("name", "plugin", "source")


@dataclass(frozen=True)
class Override:
    """What registry files say about one model type, by dotted field (``hub.huggingface``).

    - ``values``: the new values. ``sources``: where each of them stands.
    - ``source``: where the model type is named, in the strongest file.
    """

    name: str
    source: Source
    values: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)

    def overridden_by(self, later: Override) -> Override:
        """Both together; ``later`` wins."""
        return Override(self.name, later.source, {**self.values, **later.values}, {**self.sources, **later.sources})

    def apply(self, entry: ModelType) -> ModelType:
        """The model type with these values."""
        changed: dict[str, Any] = {}
        for name, value in self.values.items():
            outer, _, inner = name.partition(".")
            changed[outer] = replace(changed.get(outer, getattr(entry, outer)), **{inner: value}) if inner else value
        return replace(entry, **changed)


def read_override(name: str, value: Value, layer: Layer) -> Override:
    """What a registry file says about one model type.

    :raises ManifestError: it breaks the schema, or changes what only a manifest may say.
    """
    for key, part in value.entries().items():
        if key in ModelType.__annotations__ and key not in (*OVERRIDABLE, *_NO_KEYS):
            raise part.error(
                f"{key!r} of a model type cannot be changed here.",
                f"Change {', '.join(OVERRIDABLE)} only, or declare a model type of your own in a manifest.",
            )
    found = _flat(value.fields((), OVERRIDABLE))
    sources = {key: Source(layer, part.file, part.line) for key, part in found.items()}
    return Override(
        name,
        Source(layer, value.file, value.line),
        {key: _read(key, part) for key, part in found.items()},
        sources,
    )


def _flat(found: Mapping[str, Value]) -> dict[str, Value]:
    nested = {"hub": HUB_KEYS, "limits": LIMITS_KEYS}
    flat = {key: value for key, value in found.items() if key not in nested}
    for outer in found.keys() & nested.keys():
        flat |= {f"{outer}.{inner}": part for inner, part in found[outer].fields(*nested[outer]).items()}
    return flat


def _read(key: str, value: Value) -> Any:
    outer, _, inner = key.partition(".")
    if outer == "hub":
        return hub_text(inner, value)
    if outer == "limits":
        return limit(value)
    if outer == "aliases":
        return aliases(value)
    return value.integer(1, HUGE) if outer == "context_length" else _folder(value)


def _folder(value: Value) -> Path:
    """A folder of the user's: from the file's own folder, or from the home folder with ``~``."""
    return value.file.parent / os.path.expanduser(value.text())
