"""Records of runs: what was tried, on what, with what, and how many cases passed. They are made by programs only.

A record is a small JSON file in the folder ``verified`` beside a plugin's manifest. It holds a digest of its own
content, so that a figure typed in by hand is noticed. That guards against mistakes, not against those who want to
deceive: the digest is no signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from vlmplug.errors import RecordError
from vlmplug.file_digest import PluginDigest
from vlmplug.model_build import Build

FORMAT = 1

#: ``hooks``: everything up to the engine. Then the ways of the engine to run cases. ``true shape``: a model type's
#: official size with random weights.
Mode = Literal["hooks", "alone", "batched", "chunked", "cached", "true shape"]

_LARGEST = 1_000_000


@dataclass(frozen=True)
class Tally:
    """Results of one check.

    - ``checkpoint``: of the set; empty: none in particular.
    - ``stands_for``: the model type that it imitates; None: what ran holds for the whole family.
    - ``undefined``: cases that the official code leaves undefined, which never count.
    """

    checkpoint: str
    stands_for: str | None
    check: str
    passed: int
    failed: int = 0
    undefined: int = 0
    not_run: int = 0


@dataclass(frozen=True)
class PluginState:
    """A plugin as it was: name, version of its distribution, digest of its files."""

    name: str
    version: str | None
    digest: PluginDigest


@dataclass(frozen=True)
class Circumstances:
    """Where and when: ``device`` is cpu or cuda, ``machine`` its name, ``tp`` the number of devices; ``date`` in UTC.

    - ``versions``: of Python, vlmplug, the plugin and the libraries that it ran on. ``command``: what was called.
    """

    device: str
    machine: str
    dtype: str
    tp: int
    date: str
    command: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class RunRecord:
    """One run.

    - ``subject``: name of the set, or of the measurement; ``subject_digest``: of the set's files.
    - ``builds``: how the model types are built that ``tallies`` name.
    """

    family: str
    subject: str
    subject_digest: str
    mode: Mode
    plugin: PluginState
    run: Circumstances
    tallies: tuple[Tally, ...]
    builds: Mapping[str, Build] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether something counted, and nothing failed."""
        return any(tally.passed for tally in self.tallies) and not any(tally.failed for tally in self.tallies)

    @property
    def file_name(self) -> str:
        """One name a subject, mode and place, so that a new run takes the place of the old one."""
        words = "".join(letter if letter.isalnum() else "-" for letter in self.subject.lower())
        place = "" if self.mode == "hooks" else f".{self.run.device}-{self.run.dtype}"
        parallel = f"-tp{self.run.tp}" if self.run.tp > 1 else ""
        return f"{words}.{self.mode.replace(' ', '-')}{place}{parallel}.json"

    def text(self) -> str:
        """The file's content: sorted, and sealed with its digest."""
        content = {"record": FORMAT, "passed": self.passed, **asdict(self)}
        return json.dumps({**content, "digest": _seal(content)}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_run_record(file: Path) -> RunRecord:
    """Reads a record.

    :raises RecordError: it cannot be read, is no record of this format, or was changed after it was made.
    """
    content = _content(file)
    if content.pop("digest", None) != _seal(content):
        raise RecordError(f"{file} was changed by hand: its digest does not fit its content.", "Record the run again.")
    try:
        return _parsed(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{file} is no record of a run ({error!r}).", "Record the run again.") from error


def write_run_record(record: RunRecord, folder: Path) -> Path:
    """Writes a record into a folder, which is made where it is missing; returns the file.

    :raises RecordError: it cannot be written.
    """
    file = folder / record.file_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(record.text(), encoding="utf-8", newline="\n")
    except OSError as error:
        raise RecordError(
            f"{file} cannot be written: {error.strerror}.",
            "Give another folder for the records: --record-folder at the command line.",
        ) from error
    return file


def _content(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _LARGEST:
            raise RecordError(f"{file} has more than {_LARGEST:,} bytes, which no record has.", "Take it away.")
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{file} cannot be read: {error}.", "Record the run again.") from error
    if not isinstance(content, dict) or content.get("record") != FORMAT:
        raise RecordError(f"{file} is no record of format {FORMAT}.", "Record the run again with this vlmplug.")
    return content


def _seal(content: Mapping[str, Any]) -> str:
    plain = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _parsed(content: Mapping[str, Any]) -> RunRecord:
    plugin = content["plugin"]
    return RunRecord(
        **{key: _typed(content[key], str) for key in ("family", "subject", "subject_digest", "mode")},
        plugin=PluginState(plugin["name"], plugin["version"], PluginDigest(**plugin["digest"])),
        run=_circumstances(content["run"]),
        tallies=tuple(_tally(tally) for tally in content["tallies"]),
        builds={name: Build(**build) for name, build in content["builds"].items()},
    )


def _circumstances(content: Mapping[str, Any]) -> Circumstances:
    words = {key: _typed(content[key], str) for key in ("device", "machine", "dtype", "date", "command")}
    versions = {name: _typed(version, str) for name, version in content["versions"].items()}
    return Circumstances(**words, tp=_typed(content["tp"], int), versions=versions)


def _tally(content: Mapping[str, Any]) -> Tally:
    counts = {key: _typed(content[key], int) for key in ("passed", "failed", "undefined", "not_run")}
    stands_for = content["stands_for"]
    return Tally(
        checkpoint=_typed(content["checkpoint"], str),
        stands_for=None if stands_for is None else _typed(stands_for, str),
        check=_typed(content["check"], str),
        **counts,
    )


def _typed(value: Any, kind: type[Any]) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
