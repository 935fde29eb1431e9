"""Rows of a file with one JSON document a line: where each stands, and what it says."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmplug.errors import OptionError, RequestError

_MARK = b"\xef\xbb\xbf"
#: What editors and Windows put around a line.
_BLANKS = b" \t\r\n"


@dataclass(frozen=True)
class Row:
    """One row as it stands in its file; ``line`` counts from 1."""

    line: int
    content: bytes

    @property
    def digest(self) -> str:
        """Of its content, without blanks around it."""
        return hashlib.sha256(self.content).hexdigest()[:16]

    @property
    def key(self) -> tuple[int, str]:
        """What tells it from all other rows, also when the file is read again."""
        return self.line, self.digest

    def document(self) -> dict[str, Any]:
        """The JSON object that it holds.

        :raises RequestError: it holds none.
        """
        try:
            document = json.loads(self.content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise RequestError(f"The row is not UTF-8: {error}.", "Save the file as UTF-8.") from error
        except (ValueError, RecursionError) as error:
            raise RequestError(f"The row is not JSON: {error}.", "Write one JSON object a line.") from error
        if not isinstance(document, dict):
            raise RequestError(f"The row is a {type(document).__name__}.", 'Write an object: {"query": "…"}.')
        return document


def read_rows(file: Path) -> Iterator[Row]:
    """The rows of a file one by one; blank lines are none.

    :raises OptionError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            for line, content in enumerate(stream, 1):
                stripped = (content.removeprefix(_MARK) if line == 1 else content).strip(_BLANKS)
                if stripped:
                    yield Row(line, stripped)
    except OSError as error:
        raise OptionError(f"{file} cannot be read: {error.strerror}.", "Give a JSONL file.") from error


def drawn_lines(lines: list[int], count: int, seed: int) -> list[int]:
    """So many of the lines, drawn by a seed, in their order; all where there are no more."""
    return lines if count >= len(lines) else sorted(random.Random(seed).sample(lines, count))
