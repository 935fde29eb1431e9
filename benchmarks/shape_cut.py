"""True shapes cut down: as wide as the official ones, with fewer layers, so that they load in seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What families call the number of layers, of language models and of towers.
_LAYERS = ("num_hidden_layers", "num_layers", "layers")
#: What they call numbers of heads, and sizes of one.
_HEADS = ("num_attention_heads", "num_key_value_heads", "multi_query_group_num")
_HEAD_SIZES = ("kv_channels", "head_dim")
#: Sections of towers, whose heads stay as they are.
_TOWERS = ("vision_config", "visual", "high_res_vision_config")
#: Names layers by number: it stays whole.
_NUMBERED = "global_attn_indexes"


@dataclass(frozen=True)
class ShapeCut:
    """What is smaller than the official model.

    - ``layers``: most layers of each part; None: all. Towers that a ``config.json`` only names stay whole.
    - ``head_parts``: into how many each head of the language model is split, keys' and values' too, so that all
      matrices stay as wide. In float32 lmdeploy's attention has room for heads of 64 on the GPUs of today.
    """

    layers: int | None = None
    head_parts: int = 1

    def of(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """An official ``config.json``, cut."""
        return self._language(self._shallow(config))

    def apply(self, folder: Path) -> None:
        """Cuts the ``config.json`` of a model folder without weights."""
        file = folder / "config.json"
        file.write_text(json.dumps(self.of(json.loads(file.read_text("utf-8")))), encoding="utf-8")

    def _shallow(self, section: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {
            name: self._shallow(value) if isinstance(value, dict) else value for name, value in section.items()
        }
        if self.layers is None or _NUMBERED in section:
            return found
        return {**found, **{name: min(found[name], self.layers) for name in _LAYERS if name in found}}

    def _language(self, section: Mapping[str, Any]) -> dict[str, Any]:
        inner = {name: self._language(value) for name, value in section.items() if self._is_language(name, value)}
        heads = {name: section[name] * self.head_parts for name in _HEADS if name in section}
        sizes = {name: section[name] // self.head_parts for name in _HEAD_SIZES if name in section}
        return {**section, **inner, **heads, **sizes}

    def _is_language(self, name: str, value: object) -> bool:
        return isinstance(value, dict) and name not in _TOWERS
