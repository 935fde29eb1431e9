"""The published JSON Schemas (draft 2020-12) of manifests and registry files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

SchemaName = Literal["manifest", "registry"]

SCHEMAS: tuple[SchemaName, ...] = get_args(SchemaName)


def schema_file(name: SchemaName) -> Path:
    """The file with the schema of ``manifest.yaml`` or ``registry.yaml``."""
    return Path(__file__).with_name("schemas") / f"{name}.schema.json"
