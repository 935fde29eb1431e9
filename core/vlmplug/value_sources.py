"""Where a manifest declares each value of a model type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vlmplug.document import Value, read_document
from vlmplug.errors import ManifestError
from vlmplug.model_type import ModelType, Source

if TYPE_CHECKING:
    from vlmplug.document_cache import DocumentCache


def declared_values(entry: ModelType, cache: DocumentCache | None = None) -> dict[str, Source]:
    """Places in the manifest of a model type, by dotted field; none where the manifest changed under our hands."""
    try:
        types = read_document(entry.source.file, cache).entries()["model_types"].entries()
        return {name: Source(entry.source.layer, value.file, value.line) for name, value in _all(types[entry.name], "")}
    except (ManifestError, KeyError):
        return {}


def _all(value: Value, prefix: str) -> Iterator[tuple[str, Value]]:
    if not isinstance(value.content, dict):
        return
    for name, part in value.content.items():
        if not part.empty:
            yield prefix + name, part
            yield from _all(part, f"{prefix}{name}.")
