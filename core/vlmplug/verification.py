"""What is verified: from the records of runs that lie beside a plugin's manifest, and from nothing else.

Nothing heavy is imported, and nothing of the plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vlmplug.errors import RecordError
from vlmplug.file_digest import RECORDS, PluginDigest, plugin_digest
from vlmplug.light_dataclass import dataclass
from vlmplug.model_build import Build, build_of
from vlmplug.run_record import RunRecord, Tally, read_run_record

if TYPE_CHECKING:
    from vlmplug.model_type import ModelType
    from vlmplug.registry import PluginRecord

#: Columns of the matrix. ``prompt`` to ``generation`` make a model type verified; then ways of the engine to run.
CHECKS = ("prompt", "preprocessing", "features", "generation", "batch", "chunk", "cache", "tp", "true size")
BASIC_CHECKS = CHECKS[:4]

#: ``outdated``: it was run, but with other files of the plugin, or another series of vlmplug, than those installed.
State = Literal["verified", "failed", "outdated", "not run"]
#: Whose run it was: a checkpoint that stands for the model type itself, for one of the same build, or for others of
#: its family only.
Scope = Literal["own", "build", "family"]

_SCOPES: tuple[Scope, ...] = ("own", "build", "family")
_TRUE_SHAPE = "true shape"
_MOST_FILES = 500


@dataclass(frozen=True)
class Outcome:
    """What is known about one check.

    - ``by``: the model types whose checkpoints ran.
    - ``passed``, ``failed``: cases. ``records``: the runs that say so, the newest first.
    """

    state: State = "not run"
    scope: Scope = "own"
    by: tuple[str, ...] = ()
    passed: int = 0
    failed: int = 0
    records: tuple[RunRecord, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether it was run for this model type, or one of the same build, and nothing failed."""
        return self.state == "verified" and self.scope != "family"

    def __str__(self) -> str:
        if self.state == "not run" or self.scope == "own":
            return self.state
        return f"{self.state} (as {', '.join(self.by)})" if self.scope == "build" else f"{self.state} (family only)"

    def document(self) -> dict[str, Any]:
        """The same for a JSON document; keys are always there."""
        newest = self.records[0].run if self.records else None
        return {
            "state": self.state,
            "scope": self.scope if self.records else None,
            "by": list(self.by),
            "passed": self.passed,
            "failed": self.failed,
            "date": newest.date if newest else None,
            "device": newest.machine if newest else None,
            "dtype": newest.dtype if newest else None,
            "versions": dict(newest.versions) if newest else {},
            "records": [record.file_name for record in self.records],
        }


@dataclass(frozen=True)
class RecordedRun:
    """A record, and what has changed since it was made; ``changed`` empty: nothing that matters."""

    record: RunRecord
    changed: str = ""


@dataclass(frozen=True)
class _Evidence:
    """One tally that says something about what is asked, and the model types ``by`` whose checkpoints it does."""

    run: RecordedRun
    tally: Tally
    scope: Scope
    by: tuple[str, ...]


#: How a tally of a record bears on what is asked, and which of the model types in it do; None: not at all.
_Bearing = Callable[[RunRecord, Tally], "tuple[Scope, Iterable[str]] | None"]


@dataclass(frozen=True)
class Verification:
    """The recorded runs of one plugin; ``problems``: records that do not count, and why."""

    runs: tuple[RecordedRun, ...] = ()
    problems: tuple[str, ...] = ()

    def of(self, entry: ModelType) -> Mapping[str, Outcome]:
        """The outcome of each check for a model type of the plugin's families, whoever declares it."""
        build = build_of(entry)
        return self._outcomes(entry.family, lambda record, tally: _bearing(record, tally, entry, build))

    def of_family(self, family: str) -> Mapping[str, Outcome]:
        """The outcome of each check over all that ran of a family."""
        return self._outcomes(family, _whole_family)

    def verified(self, entry: ModelType) -> bool:
        """Whether prompt, preprocessing, features and generation are verified and no check failed."""
        outcomes = self.of(entry)
        failed = any(outcome.state == "failed" and outcome.scope != "family" for outcome in outcomes.values())
        return not failed and all(outcomes[check].verified for check in BASIC_CHECKS)

    def _outcomes(self, family: str, bearing: _Bearing) -> dict[str, Outcome]:
        found = list(_evidence((run for run in self.runs if run.record.family == family), bearing))
        return {check: _outcome([piece for piece in found if piece.tally.check == check]) for check in CHECKS}


def read_verification(record: PluginRecord) -> Verification:
    """Reads the records of a plugin; one that is broken, or was changed by hand, is a problem and does not count."""
    folder = record.manifest.parent / RECORDS if record.manifest is not None else None
    files = _files(folder) if folder is not None else []
    if record.manifest is None or not files:
        return Verification()
    try:
        digest = plugin_digest(record.manifest, record.hooks)
    except OSError as error:
        return Verification((), (f"The files of plugin {record.name} cannot be read: {error}.",))
    runs, problems = [], []
    for file in files:
        try:
            read = read_run_record(file)
        except RecordError as error:
            problems.append(error.problem)
        else:
            runs.append(RecordedRun(read, _changed(read, digest)))
    return Verification(tuple(runs), tuple(problems))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))[:_MOST_FILES] if folder.is_dir() else []


def _changed(record: RunRecord, now: PluginDigest) -> str:
    """Why a record is outdated. The manifest says nothing about a run of a true shape but that shape, which
    `_bearing` compares."""
    if record.plugin.digest.code != now.code:
        return "the plugin's code has changed since"
    if record.mode != _TRUE_SHAPE and record.plugin.digest.manifest != now.manifest:
        return "the plugin's manifest has changed since"
    series, version = _series(_host_version()), record.run.versions.get("vlmplug", "that was not installed")
    return f"it was made with vlmplug {version}" if series and _series(version) != series else ""


def _host_version() -> str | None:
    from importlib import metadata

    try:
        return metadata.version("vlmplug")
    except metadata.PackageNotFoundError:
        return None


def _series(version: str | None) -> str:
    """Versions that promise to behave alike: those with the same first two numbers."""
    return ".".join((version or "").split(".")[:2])


def _evidence(runs: Iterable[RecordedRun], bearing: _Bearing) -> Iterator[_Evidence]:
    for run in runs:
        for tally in run.record.tallies:
            found = bearing(run.record, tally) if tally.passed or tally.failed else None
            if found is not None:
                yield _Evidence(run, tally, found[0], tuple(sorted(found[1])))


def _whole_family(record: RunRecord, tally: Tally) -> tuple[Scope, Iterable[str]]:
    return "own", (tally.stands_for,) if tally.stands_for is not None else record.builds


def _bearing(record: RunRecord, tally: Tally, entry: ModelType, build: Build) -> tuple[Scope, Iterable[str]] | None:
    ran = {tally.stands_for} if tally.stands_for is not None else set(record.builds)
    alike = {name for name in ran & set(record.builds) if record.builds[name].includes(build)}
    own = alike & {entry.name, *entry.aliases}
    if record.mode == _TRUE_SHAPE:
        same = {name for name in own if record.builds[name].declaration == build.declaration}
        return ("own", same) if same else None
    if own:
        return "own", own
    alike = {name for name in alike if record.builds[name].words}
    return ("build", alike) if alike else ("family", ran)


def _outcome(found: list[_Evidence]) -> Outcome:
    """What counts is what is not outdated and, of that, what is nearest."""
    if not found:
        return Outcome()
    pool = [piece for piece in found if not piece.run.changed] or found
    scope = min((piece.scope for piece in pool), key=_SCOPES.index)
    used = [piece for piece in pool if piece.scope == scope]
    failed = sum(piece.tally.failed for piece in used)
    records = {piece.run.record.file_name: piece.run.record for piece in used}
    return Outcome(
        state="outdated" if pool[0].run.changed else "failed" if failed else "verified",
        scope=scope,
        by=tuple(dict.fromkeys(name for piece in used for name in piece.by)),
        passed=sum(piece.tally.passed for piece in used),
        failed=failed,
        records=tuple(sorted(records.values(), key=lambda record: record.run.date, reverse=True)),
    )
