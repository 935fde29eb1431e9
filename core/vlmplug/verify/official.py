"""Models with the official preprocessing, made from a set's tiny checkpoint and the numbers in the manifest."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlmplug.errors import ManifestError
from vlmplug.host_options import HostOptions
from vlmplug.pipeline import Preparer, open_preparer
from vlmplug.registry import Registry
from vlmplug.verify.goldens import GoldenCheckpoint, GoldenSet

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")


@contextmanager
def official_preparer(
    golden: GoldenSet, name: str, registry: Registry, host: HostOptions | None = None
) -> Iterator[Preparer]:
    """Everything up to the engine, with the official settings that the family's manifest declares for ``name``.

    :raises ManifestError: it declares none. Whatever loading the model raises.
    """
    checkpoint = base_checkpoint(golden, name)
    settings = _official_settings(registry, checkpoint.stands_for, name)
    with tempfile.TemporaryDirectory(prefix="vlmplug-verify-") as folder:
        patched_copy(checkpoint.folder, Path(folder), settings)
        yield open_preparer(checkpoint.stands_for, Path(folder), registry, host)


def base_checkpoint(golden: GoldenSet, name: str) -> GoldenCheckpoint:
    """The checkpoint that an official size belongs to, else the first one."""
    return matching_checkpoint(golden, name) or next(iter(golden.checkpoints.values()))


def matching_checkpoint(golden: GoldenSet, name: str) -> GoldenCheckpoint | None:
    """The checkpoint whose name without its first word ends ``name`` (``tiny_7b`` for ``official-…-7b``); None where
    an official size belongs to all."""
    for checkpoint in golden.checkpoints.values():
        _, _, kind = checkpoint.name.partition("_")
        if kind and name.endswith(kind):
            return checkpoint
    return None


def patched_copy(source: Path, target: Path, settings: Mapping[str, Any]) -> None:
    """Copies a model folder without its weights, with dotted keys of ``config.json`` set anew."""
    for file in source.iterdir():
        if file.is_file() and file.suffix not in _WEIGHTS:
            shutil.copyfile(file, target / file.name)
    path = target / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for key, value in settings.items():
        _set(config, key.split("."), value)
    path.write_text(json.dumps(config), encoding="utf-8")


def _official_settings(registry: Registry, model_type: str, name: str) -> Mapping[str, Any]:
    family = registry.family(registry.model_type(model_type).family)
    if name not in family.official_settings:
        raise ManifestError(
            f"The manifest of the family {family.name} has no official_settings for {name!r}.",
            f"Add the keys of config.json that {name} sets.",
        )
    return family.official_settings[name]


def _set(config: dict[str, Any], key: list[str], value: Any) -> None:
    for word in key[:-1]:
        config = config.setdefault(word, {})
    config[key[-1]] = value
