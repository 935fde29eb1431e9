"""``vlmplug plugins schema``."""

from __future__ import annotations

import argparse
import sys

from vlmplug.cli.parser import CommandParser
from vlmplug.schema_files import SCHEMAS, schema_file


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``plugins schema``."""
    parser.add_argument(
        "format", nargs="?", choices=SCHEMAS, default="manifest", help="which file it describes (manifest if left out)"
    )
    parser.add_argument("--path", action="store_true", help="print where the schema is instead")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    file = schema_file(arguments.format)
    sys.stdout.write(f"{file}\n" if arguments.path else file.read_text(encoding="utf-8"))
    return 0
