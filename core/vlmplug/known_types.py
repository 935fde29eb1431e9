"""Model types that are known by name although no plugin here may carry them, with a pointer to what does.

All multimodal model types of ms-swift 2.x, and those of vlmplug's own plugins, which need not be installed. The list is
data (``known_types.json``) and read only where it is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmplug.model_type import Hub, KnownType

_FILE = Path(__file__).with_name("known_types.json")
_ADD = "To run it here, write a plugin: docs/plugins.md."


def read_known_types() -> dict[str, KnownType]:
    """All of them, by name; the pointer of each is what holds while its plugin is not registered."""
    content = json.loads(_FILE.read_text("utf-8"))
    return {entry.name: entry for group in content["groups"] for entry in _entries(group)}


def _entries(group: Mapping[str, Any]) -> Iterator[KnownType]:
    for name, ids in group["model_types"].items():
        hub = Hub(**ids)
        yield KnownType(
            name=name,
            title=group["title"],
            hub=hub,
            pointer=" ".join(part for part in (group.get("instead", ""), _checkpoint(hub), _added(group)) if part),
            source=group["source"],
            plugin=group.get("plugin"),
        )


def _added(group: Mapping[str, Any]) -> str:
    """No plugin can bring audio or quantised weights to this engine."""
    return "" if group.get("out_of_scope", False) else _ADD


def _checkpoint(hub: Hub) -> str:
    if hub.huggingface is not None:
        return f"Its checkpoint is {hub.huggingface} on Hugging Face."
    return f"Its checkpoint is {hub.modelscope} on ModelScope." if hub.modelscope is not None else ""
