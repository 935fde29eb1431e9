"""Rows that could not be answered, each with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

from vlmplug.errors import OptionError, VlmplugError
from vlmplug.rows.result_file import OURS, write_whole
from vlmplug.rows.row import Row


class RejectedFile:
    """Begins without a row, because each run tries them again, and is there only if there is one.

    A ``with`` block closes it.

    :raises OptionError: a file of an earlier time cannot be removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.count = 0
        self._file: BinaryIO | None = None
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, row: Row, error: VlmplugError) -> None:
        """Writes a row with what was wrong with it.

        :raises OptionError: it cannot be written.
        """
        ours = {"line": row.line, "digest": row.digest, "error": type(error).__name__}
        reason = {"reason": error.problem, "fix": error.remedy, "row": row.content.decode("utf-8", "replace")}
        line = json.dumps({OURS: {**ours, **reason}}, ensure_ascii=False) + "\n"
        try:
            self._file = self._file or self._path.open("wb", buffering=0)
            write_whole(self._file, line)
        except OSError as problem:
            raise self._unwritable(problem) from problem
        self.count += 1

    def close(self) -> None:
        """Repeating it is harmless."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> RejectedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unwritable(self, error: OSError) -> OptionError:
        return OptionError(f"{self._path} cannot be written: {error.strerror}.", "Choose another place, or make room.")
