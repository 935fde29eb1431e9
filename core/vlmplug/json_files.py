"""JSON files of a model folder, read as plain data in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlmplug.errors import CheckpointError

#: Bytes of the largest JSON file that is read; official ``tokenizer.json`` files take up to 20 MB.
MAX_JSON_BYTES = 128 * 1024 * 1024


def read_json(file: Path, error: type[CheckpointError] = CheckpointError) -> dict[str, Any]:
    """The object in a JSON file.

    :raises CheckpointError: (or ``error``) no regular file, too large, not UTF-8 JSON, or not an object.
    """
    try:
        content = json.loads(_read_text(file, error))
    except (OSError, ValueError, RecursionError) as reason:
        raise error(f"{file} cannot be read: {reason}.", "Download the file again.") from reason
    if not isinstance(content, dict):
        raise error(f"{file} holds {type(content).__name__}, expected a JSON object.", "Download the file again.")
    return content


def read_json_if_there(file: Path, error: type[CheckpointError] = CheckpointError) -> dict[str, Any]:
    """The object in a JSON file, or an empty one where there is no such file; raises as `read_json` does."""
    return read_json(file, error) if file.exists() else {}


def _read_text(file: Path, error: type[CheckpointError]) -> str:
    if not file.is_file():
        raise error(f"{file} is missing or no regular file.", "Check the model folder.")
    if file.stat().st_size > MAX_JSON_BYTES:
        raise error(f"{file} is larger than {MAX_JSON_BYTES:,} bytes.", "Check that it is the official file.")
    return file.read_text("utf-8")
