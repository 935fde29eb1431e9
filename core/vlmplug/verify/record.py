"""Makes records of runs, which `vlmplug.verification` shows as verified as long as they hold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

from vlmplug.errors import OptionError, RecordError
from vlmplug.file_digest import RECORDS, files_digest, plugin_digest
from vlmplug.model_build import build_of
from vlmplug.model_type import ModelType
from vlmplug.registry import PluginRecord, Registry
from vlmplug.run_record import Circumstances, Mode, PluginState, RunRecord, Tally, write_run_record
from vlmplug.verify.forward_cases import EngineChoice
from vlmplug.verify.goldens import GoldenSet
from vlmplug.verify.machine import library_versions, machine_name, resolved_device
from vlmplug.verify.result import CaseResult, VerifyReport
from vlmplug.verify.runner import Selection
from vlmplug.verify.tallies import by_mode, engine_tallies, hook_tallies

_HOOKS = ("prompts", "preprocess", "video")
_EXPLAINING = ("readme.md",)


def check_recordable(selection: Selection) -> None:
    """Whether a run of these cases may be recorded: a part of a section says nothing about the whole.

    :raises OptionError: it may not.
    """
    hooks = [section for section in _HOOKS if section in selection.sections]
    if selection.cases or selection.checkpoints or len(hooks) not in (0, len(_HOOKS)):
        raise OptionError(
            "A part of the set cannot be recorded.",
            f"Record the whole set, its section forward, or {', '.join(_HOOKS)} together; --only selects them.",
        )


def records_of(
    golden: GoldenSet, engine: EngineChoice, report: VerifyReport, registry: Registry
) -> tuple[RunRecord, ...]:
    """One record for the hooks and one for each mode of the engine; none where nothing could be run.

    :raises RecordError: nothing ran at all, or the plugin's files cannot be read.
    """
    entries = _entries(golden, registry)
    family = family_of(golden, registry)
    owner = registry.owner(family)
    plugin, digest = plugin_state(owner), files_digest(_set_files(golden.folder))
    records = [
        RunRecord(
            family=family,
            subject=golden.name,
            subject_digest=digest,
            mode=mode,
            plugin=plugin,
            run=_circumstances(golden, engine, mode, owner),
            tallies=_tallies(golden, engine, mode, results),
            builds={name: build_of(entry) for name, entry in entries.items()},
        )
        for mode, results in by_mode(report.results).items()
    ]
    counted = tuple(record for record in records if any(tally.passed or tally.failed for tally in record.tallies))
    if not counted:
        raise RecordError(f"Nothing of {golden.name} could be run here.", "; ".join(report.notes))
    return counted


def write_records(
    golden: GoldenSet, engine: EngineChoice, report: VerifyReport, registry: Registry, folder: Path | None = None
) -> tuple[Path, ...]:
    """Writes the records of a verification; returns the files.

    :param folder: None: the folder beside the manifest of the family's plugin.
    :raises RecordError: nothing ran at all, or a file cannot be read or written.
    """
    records = records_of(golden, engine, report, registry)
    target = folder or records_folder(registry, records[0].family)
    return tuple(write_run_record(record, target) for record in records)


def true_shape_record(
    registry: Registry, model_type: str, engine: EngineChoice, tally: tuple[int, int], command: str
) -> RunRecord:
    """The record of a measurement of a model type at its official size, with random weights.

    :param tally: requests that were answered, and requests that were not.
    :raises RegistryError: as `Registry.model_type`. :raises RecordError: the plugin's files cannot be read.
    """
    entry = registry.model_type(model_type)
    owner = registry.owner(entry.family)
    return RunRecord(
        family=entry.family,
        subject=entry.name,
        subject_digest="",
        mode="true shape",
        plugin=plugin_state(owner),
        run=circumstances(engine, command, owner),
        tallies=(Tally("", entry.name, "true size", *tally),),
        builds={entry.name: build_of(entry)},
    )


def family_of(golden: GoldenSet, registry: Registry) -> str:
    """The family that a set is about, as the registry spells it.

    :raises RegistryError: no plugin offers any model type of the set.
    """
    for entry in _entries(golden, registry).values():
        return entry.family
    return registry.model_type(next(iter(golden.checkpoints.values())).stands_for).family


def records_folder(registry: Registry, family: str) -> Path:
    """The folder beside the manifest of the family's plugin.

    :raises RegistryError: as `Registry.family`. :raises RecordError: the plugin has no manifest.
    """
    manifest = registry.owner(family).manifest
    if manifest is None:
        problem = f"The plugin of the family {family} has no manifest."
        raise RecordError(problem, "Give a folder: --record-folder at the command line.")
    return manifest.parent / RECORDS


def plugin_state(record: PluginRecord) -> PluginState:
    """A plugin as it is now.

    :raises RecordError: its files cannot be read.
    """
    if record.manifest is None:
        raise RecordError(f"Plugin {record.name} has no manifest.", "Install it.")
    try:
        return PluginState(record.name, record.version, plugin_digest(record.manifest, record.hooks))
    except OSError as error:
        raise RecordError(f"The files of plugin {record.name} cannot be read: {error}.", "Install it anew.") from error


def circumstances(engine: EngineChoice, command: str, plugin: PluginRecord) -> Circumstances:
    """This machine, now."""
    device = resolved_device(engine.device)
    return Circumstances(
        device=device,
        machine=machine_name(device),
        dtype=engine.dtype,
        tp=engine.tp,
        date=datetime.now(timezone.utc).date().isoformat(),
        command=command,
        versions=library_versions(plugin.distribution),
    )


def _circumstances(golden: GoldenSet, engine: EngineChoice, mode: Mode, plugin: PluginRecord) -> Circumstances:
    """With the command that makes this one record; of the set's path only the last part."""
    command = f"vlmplug verify {golden.folder.resolve().name}"
    if mode == "hooks":
        return circumstances(EngineChoice(), f"{command} --only {','.join(_HOOKS)} --record", plugin)
    parallel = f" --tp {engine.tp}" if engine.tp > 1 else ""
    place = f"--device {resolved_device(engine.device)} --dtype {engine.dtype}{parallel}"
    return circumstances(engine, f"{command} --only forward --{mode} {place} --record", plugin)


def _tallies(golden: GoldenSet, engine: EngineChoice, mode: Mode, results: Iterable[CaseResult]) -> tuple[Tally, ...]:
    found = hook_tallies(golden, results) if mode == "hooks" else engine_tallies(golden, results, engine.tp > 1)
    return tuple(found)


def _entries(golden: GoldenSet, registry: Registry) -> dict[str, ModelType]:
    """The model types that the set's checkpoints stand for, as far as there are such, under the set's names."""
    names = dict.fromkeys(checkpoint.stands_for for checkpoint in golden.checkpoints.values())
    known = {name: registry.aliases.get(name, name) for name in names}
    return {name: registry.model_types[known[name]] for name in names if known[name] in registry.model_types}


def _set_files(folder: Path) -> dict[str, Path]:
    """All files of a set, weights included, without the page that explains it."""
    files = (file for file in folder.rglob("*") if file.is_file())
    found = {file.relative_to(folder).as_posix(): file for file in files}
    return {name: file for name, file in found.items() if name.lower() not in _EXPLAINING and not name.startswith(".")}
