"""How a model is built, numbers aside: what tells whether a run of one model type says something about another.

Two model types of a family are of one build where their prompt template is the same, and every word and switch of
their official ``config.json``: architectures of the language model and the vision tower, norms, biases, activations,
the kind of position scaling. Sizes may differ; so may the precision of the weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlmplug.model_type import ModelType

#: Keys that say how weights are stored.
_PRECISION = ("torch_dtype", "dtype")


@dataclass(frozen=True)
class Build:
    """Template, and words of ``config.json`` by dotted key.

    - ``declaration``: SHA-256, in hexadecimal, of template and configuration with all numbers.
    - ``whole``: the words are those of a checkpoint's whole ``config.json``, among them many that say nothing about
      the build.
    """

    template: str
    words: Mapping[str, Any]
    declaration: str = ""
    whole: bool = False

    def includes(self, other: Build) -> bool:
        """Whether ``other`` is built like this one; a whole configuration is asked for this one's keys only."""
        words = {key: other.words.get(key) for key in self.words} if other.whole else dict(other.words)
        return self.template == other.template and dict(self.words) == words


def build_of(entry: ModelType) -> Build:
    """The build of a model type: from its declared shape, else from the checkpoint in its package."""
    whole = entry.shape is None
    config = entry.shape.config if entry.shape is not None else _packaged_config(entry.checkpoint)
    declared = json.dumps([entry.template, config], sort_keys=True, default=str)
    words = dict(_words(config, ""))
    return Build(entry.template, words, hashlib.sha256(declared.encode()).hexdigest(), whole)


def _packaged_config(folder: Path | None) -> Mapping[str, Any]:
    if folder is None:
        return {}
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        # Loading the model says what is wrong; here it is only a model of unknown build.
        return {}
    return config if isinstance(config, dict) else {}


def _words(config: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _words(value, f"{above}{key}.")
        elif key not in _PRECISION and _is_word(value):
            yield above + key, value if isinstance(value, str | bool) else list(value)


def _is_word(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(part, str) for part in value)
    return isinstance(value, str | bool)
