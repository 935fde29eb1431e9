"""Model folders without weights: a model type's true ``config.json``, and a tokenizer. For runs with random weights."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlmplug.checkpoint import shape_config
from vlmplug.config_json import CONFIG
from vlmplug.errors import CheckpointError
from vlmplug.registry import Registry
from vlmplug.remedy import either

#: What official checkpoints keep a tokenizer and its stop tokens in. Settings of the preprocessing come from the
#: manifest alone.
TOKENIZER_FILES = (
    *("*.model", "*.tiktoken", "tokenizer.json", "vocab.json", "vocab.txt", "merges.txt"),
    *("added_tokens.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"),
)


@contextmanager
def shape_folder(registry: Registry, model_type: str, tokenizer: Path | None = None) -> Iterator[Path]:
    """A temporary folder as `write_shape_folder` fills it; it lasts as long as the ``with`` block.

    :raises RegistryError: no such model type. :raises CheckpointError: as `write_shape_folder`.
    """
    with tempfile.TemporaryDirectory(prefix="vlmplug-shape-") as folder:
        write_shape_folder(registry, model_type, tokenizer, Path(folder))
        yield Path(folder)


def write_shape_folder(registry: Registry, model_type: str, tokenizer: Path | None, folder: Path) -> None:
    """Writes the configuration of a model type's true size into ``folder``, with the tokenizer's files.

    :param tokenizer: a folder with tokenizer files of the family; None: those of a checkpoint of the family that
        ships inside a plugin. Its ids only have to lie inside the vocabulary.
    :raises RegistryError: no such model type.
    :raises CheckpointError: the manifest says nothing about the shape, or there is no tokenizer.
    """
    entry = registry.model_type(model_type)
    config = {"template": entry.template, **shape_config(registry, model_type)}
    found = _tokenizer_files(tokenizer or embedded_tokenizer(registry, model_type))
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    for file in found:
        shutil.copyfile(file, folder / file.name)


def embedded_tokenizer(registry: Registry, model_type: str) -> Path:
    """The folder of a checkpoint that ships inside a plugin and is of the family of a model type.

    :raises RegistryError: no such model type. :raises CheckpointError: there is none.
    """
    family = registry.model_type(model_type).family
    siblings = (entry.checkpoint for entry in registry.model_types.values() if entry.family == family)
    folder = next((checkpoint for checkpoint in siblings if checkpoint is not None), None)
    if folder is None:
        raise CheckpointError(
            f"There is no tokenizer for the family {family} on this machine.",
            f"Name a folder with tokenizer files of the family: {either('tokenizer=FOLDER', '--tokenizer FOLDER')}.",
        )
    return folder


def _tokenizer_files(folder: Path) -> list[Path]:
    """:raises CheckpointError: there are none."""
    found = [file for pattern in TOKENIZER_FILES for file in sorted(folder.glob(pattern)) if file.is_file()]
    if not found:
        raise CheckpointError(
            f"{folder} holds no files of a tokenizer.", f"Name a folder with some of {', '.join(TOKENIZER_FILES)}."
        )
    return found
