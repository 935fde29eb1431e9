"""The file that results go to, one JSON document a line, so that nothing is lost or done twice wherever it was cut."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from vlmplug.errors import OptionError
from vlmplug.rows.row import Row

#: The key of what we say about a row; it is the first of its line, so that a line that was cut is known as ours.
OURS = "vlmplug"
_BEGINNING = f'{{"{OURS}": '.encode()


class ResultFile:
    """Results of one run, from as many programs as it takes. A ``with`` block holds and closes it.

    :param run: says which model and settings the results are of; those of others are not mixed with them.
    :raises OptionError: the file cannot be written, holds something else, or another program is writing it.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._path, self._run = path, run
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        self.done: set[tuple[int, str]] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise OptionError(f"{path} is being written by another program.", "Wait, or name another.") from error
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            self._file = self._opened()
        except BaseException:
            self._release()
            raise

    def add(self, row: Row, told: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        """Writes the result of a row, at once and in one piece.

        :param told: what we say about it. :param content: the rest of the line.
        :raises OptionError: it cannot be written.
        """
        ours = {"line": row.line, "digest": row.digest, "run": self._run, **told}
        line = json.dumps({OURS: ours, **content}, ensure_ascii=False) + "\n"
        try:
            write_whole(self._file, line)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self.done.add(row.key)

    def close(self) -> None:
        """Lets others write it; repeating it is harmless."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()
            self._release()

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> BinaryIO:
        try:
            if self._path.exists():
                self._take_up()
            return self._path.open("ab", buffering=0)
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def _take_up(self) -> None:
        """Learns what is done, and takes off a last line that was cut."""
        whole = 0
        with self._path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.endswith(b"\n"):
                    self.done.add(self._key(line, number))
                    whole += len(line)
                elif not (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
                    raise self._strange(number)
        if whole < self._path.stat().st_size:
            os.truncate(self._path, whole)

    def _key(self, line: bytes, number: int) -> tuple[int, str]:
        try:
            ours = json.loads(line)[OURS]
            key, run = (int(ours["line"]), str(ours["digest"])), ours["run"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._strange(number) from error
        if run != self._run:
            raise OptionError(
                f"{self._path} holds results of another model or other settings.", "Choose another file, or delete it."
            )
        return key

    def _strange(self, number: int) -> OptionError:
        return OptionError(f"{self._path}, line {number}: this is no result of ours.", "Choose another file.")

    def _release(self) -> None:
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def write_whole(file: BinaryIO, text: str) -> None:
    """Writes a text to an unbuffered file, so that it stays when the program is killed."""
    left = text.encode("utf-8", "surrogatepass")
    while left:
        left = left[file.write(left) :]


def _unwritable(path: Path, error: OSError) -> OptionError:
    return OptionError(f"{path} cannot be written: {error.strerror}.", "Choose another place, or make room.")
