"""What a checkpoint's ``generation_config.json`` says."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from vlmplug.errors import CheckpointError
from vlmplug.json_files import read_json_if_there
from vlmplug.sampling import SamplingDefaults

_NAMES = tuple(field.name for field in fields(SamplingDefaults))


@dataclass(frozen=True)
class GenerationConfig:
    """Ids that end an answer, and sampling defaults; both empty where the file is missing or silent."""

    eos_ids: tuple[int, ...]
    sampling: SamplingDefaults


def read_generation_config(folder: Path) -> GenerationConfig:
    """Reads the file in a model folder.

    :raises CheckpointError: it is broken.
    """
    file = folder / "generation_config.json"
    content = read_json_if_there(file)
    eos = content.get("eos_token_id")
    ids = eos if isinstance(eos, list) else [] if eos is None else [eos]
    if not all(isinstance(number, int) for number in ids):
        raise CheckpointError(f"{file}: eos_token_id is {eos!r}.", "It must be an id or a list of ids.")
    return GenerationConfig(tuple(ids), SamplingDefaults(**{name: content.get(name) for name in _NAMES}))
