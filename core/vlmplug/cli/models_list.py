"""``vlmplug models list``: a table of model types, all or those that were asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import add_json_flag, registry_of
from vlmplug.cli.output import magnitude, print_json, print_table, remark
from vlmplug.cli.parser import CommandParser
from vlmplug.errors import OptionError, RegistryError
from vlmplug.nearest import did_you_mean
from vlmplug.table import Painted

if TYPE_CHECKING:
    from vlmplug.model_type import KnownType, ModelType
    from vlmplug.registry import Registry
    from vlmplug.verification_matrix import VerificationMatrix


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``models list``."""
    parser.add_argument("--family", metavar="NAME", help="only those of this family")
    parser.add_argument("--modality", action="append", default=[], metavar="NAME", help="only those that take it")
    parser.add_argument("--verified", action="store_true", help="those that recorded runs verify, and by which checks")
    parser.add_argument("--fits", metavar="SIZE", help="only those that one device with that memory holds: 24GB")
    parser.add_argument("--known", action="store_true", help="instead, those that are known, but that no plugin runs")
    parser.set_defaults(run=_list)
    add_json_flag(parser)


def _list(arguments: argparse.Namespace) -> int:
    registry = registry_of(arguments)
    if arguments.known:
        _list_known(arguments, registry)
    else:
        _list_types(arguments, registry)
    _note_broken(registry)
    return 0


def _list_types(arguments: argparse.Namespace, registry: Registry) -> None:
    keeps = _filters(arguments, registry)
    matrix = _matrix(registry) if arguments.json or arguments.verified else None
    if matrix is not None and arguments.verified:
        keeps.append(matrix.verified)
    types = [entry for entry in registry.model_types.values() if all(keep(entry) for keep in keeps)]
    if matrix is not None and arguments.json:
        print_json(list(_records(matrix, types)))
    elif types and matrix is not None:
        _print_verified(arguments, matrix, types)
    elif types:
        _print_types(arguments, types)
    if not types:
        remark("note: no model type is like that")


def _filters(arguments: argparse.Namespace, registry: Registry) -> list[Callable[[ModelType], bool]]:
    """What keeps a model type, one condition a flag.

    :raises VlmplugError: a flag names what does not exist; with the nearest word.
    """
    filters: list[Callable[[ModelType], bool]] = []
    if arguments.family is not None:
        family = _checked_family(registry, arguments.family)
        filters.append(lambda entry: entry.family == family)
    if arguments.modality:
        wanted = {_checked_modality(name) for name in arguments.modality}
        filters.append(lambda entry: wanted <= set(entry.modalities))
    if arguments.fits is not None:
        from vlmplug.byte_size import parse_size

        room = parse_size(arguments.fits, "--fits")
        filters.append(lambda entry: (memory_of(entry) or room + 1) <= room)
    return filters


def _checked_family(registry: Registry, name: str) -> str:
    named = {*registry.families, *(entry.family for entry in registry.model_types.values())}
    if name not in named:
        raise RegistryError(f"There is no family {name!r} here.", did_you_mean(name, named))
    return name


def _checked_modality(name: str) -> str:
    from vlmplug.model_type import MODALITIES

    if name not in MODALITIES:
        raise OptionError(f"--modality: there is no modality {name!r}.", did_you_mean(name, MODALITIES))
    return name


def memory_of(entry: ModelType) -> int | None:
    """Bytes that a model type needs on one device, as it is published; None where its shapes are not known."""
    from vlmplug.memory import memory_needed

    needed = memory_needed(entry)
    return None if needed is None else needed.total


def _matrix(registry: Registry) -> VerificationMatrix:
    """Reads the recorded runs, once a command."""
    from vlmplug.verification_matrix import VerificationMatrix

    return VerificationMatrix(registry)


def type_record(entry: ModelType, verified: bool) -> dict[str, Any]:
    """A model type in JSON, in short."""
    return {
        "model_type": entry.name,
        "family": entry.family,
        "plugin": entry.plugin,
        "modalities": list(entry.modalities),
        "hub": dict(vars(entry.hub)),
        "parameters": entry.parameters,
        "context_length": entry.context_length,
        "template": entry.template,
        "licence": entry.licence.name,
        "aliases": list(entry.aliases),
        "embedded": entry.checkpoint is not None,
        "verified": verified,
        "memory_needed": memory_of(entry),
    }


def _records(matrix: VerificationMatrix, types: Iterable[ModelType]) -> Iterator[dict[str, Any]]:
    from vlmplug.cli.models_verified import outcome_records

    for entry in types:
        yield {**type_record(entry, matrix.verified(entry)), "verification": outcome_records(matrix.of(entry))}


def _print_verified(arguments: argparse.Namespace, matrix: VerificationMatrix, types: Sequence[ModelType]) -> None:
    from vlmplug.cli.models_verified import print_matrix

    print_matrix(arguments, matrix, types)


def _print_types(arguments: argparse.Namespace, types: Iterable[ModelType]) -> None:
    header = ["MODEL TYPE", "FAMILY", "PLUGIN", "MODALITIES", "PARAMETERS", "CONTEXT", "HUB"]
    rows = [_row(entry) for entry in types]
    if arguments.fits is not None:
        header.insert(5, "MEMORY")
        rows = [[*row[:5], _memory(entry), *row[5:]] for entry, row in zip(types, rows, strict=True)]
    print_table(arguments, header, rows, spare=("PLUGIN", "CONTEXT", "FAMILY"))


def _row(entry: ModelType) -> list[object]:
    return [
        Painted(entry.name, "name"),
        entry.family,
        entry.plugin,
        "+".join(entry.modalities),
        magnitude(entry.parameters),
        entry.context_length,
        _hub(entry),
    ]


def _memory(entry: ModelType) -> str:
    from vlmplug.byte_size import gibibytes

    return gibibytes(memory_of(entry) or 0)


def _hub(entry: ModelType) -> str:
    if entry.checkpoint is not None:
        return "(in the package)"
    return entry.hub.huggingface or entry.hub.modelscope or ""


def _list_known(arguments: argparse.Namespace, registry: Registry) -> None:
    if arguments.modality or arguments.verified or arguments.fits is not None:
        raise OptionError(
            "--known goes with --family and --json alone: of such types only name, hub and family are known.",
            "Leave --modality, --verified and --fits out.",
        )
    known = list(registry.known.values())
    if arguments.family is not None:
        titles = {name for entry in known for name in _family_names(entry)}
        if arguments.family.lower() not in {title.lower() for title in titles}:
            problem = f"No known type is of a family {arguments.family!r}."
            raise RegistryError(problem, did_you_mean(arguments.family, titles))
        known = [one for one in known if arguments.family.lower() in map(str.lower, _family_names(one))]
    if arguments.json:
        print_json([_known_record(entry) for entry in known])
    elif known:
        header = ("MODEL TYPE", "FAMILY", "HUB", "WHAT TO DO")
        hubs = [entry.hub.huggingface or entry.hub.modelscope or "" for entry in known]
        rows = [(entry.name, entry.title, hub, entry.pointer) for entry, hub in zip(known, hubs, strict=True)]
        print_table(arguments, header, rows)


def _family_names(entry: KnownType) -> tuple[str, ...]:
    return (entry.title, entry.plugin) if entry.plugin else (entry.title,)


def _known_record(entry: KnownType) -> dict[str, Any]:
    return {
        "model_type": entry.name,
        "title": entry.title,
        "plugin": entry.plugin,
        "hub": dict(vars(entry.hub)),
        "pointer": entry.pointer,
        "source": entry.source,
    }


def _note_broken(registry: Registry) -> None:
    broken = [record.name for record in registry.plugins.values() if record.status == "broken"]
    if broken or registry.contested:
        names = ", ".join([*broken, *registry.contested])
        remark(f"note: left out because of errors: {names}; see `vlmplug plugins list`")
