"""``vlmplug models show [MODEL]``: everything that is known about one model type, and where it comes from."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vlmplug.byte_size import gibibytes
from vlmplug.cli.flags import add_json_flag, registry_of
from vlmplug.cli.model_choice import add_model_argument, resolution_of
from vlmplug.cli.models_list import type_record
from vlmplug.cli.models_verified import STATE_STYLES, outcome_records
from vlmplug.cli.output import print_facts, print_json, print_table
from vlmplug.cli.parser import CommandParser
from vlmplug.memory import CONTEXT_TOKENS, Memory, Setup, WeightType, memory_needed
from vlmplug.table import Painted
from vlmplug.verification import BASIC_CHECKS, Outcome, Verification, read_verification

if TYPE_CHECKING:
    from vlmplug.media_option import MediaOption
    from vlmplug.model_type import Family, ModelType, Source
    from vlmplug.registry import Registry

_WEIGHTS: Mapping[WeightType, str] = {"float32": "float32", "bfloat16": "bfloat16, float16", "awq": "4-bit AWQ"}
_DEVICES = (1, 2, 4)
#: What `ModelType.shape` and the like are called in a manifest and shown as a whole.
_WHOLE = ("shape", "aliases", "modalities")


class _Shown(NamedTuple):
    """A model type with what belongs to it."""

    entry: ModelType
    family: Family
    verification: Verification
    sources: Mapping[str, Source]


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``models show``."""
    add_model_argument(parser)
    parser.set_defaults(run=_show)
    add_json_flag(parser)


def _show(arguments: argparse.Namespace) -> int:
    registry = registry_of(arguments)
    shown = _shown(registry, resolution_of(registry, arguments.model).unique())
    if arguments.json:
        print_json(_record(shown))
        return 0
    print_facts(arguments, _facts(shown))
    for header, rows in _tables(shown):
        if rows:
            print()
            print_table(arguments, header, rows)
    return 0


def _shown(registry: Registry, entry: ModelType) -> _Shown:
    family = registry.family(entry.family)
    sources = registry.value_sources(entry.name)
    return _Shown(entry, family, read_verification(registry.owner(family.name)), dict(_told(sources)))


def _told(sources: Mapping[str, Source]) -> Iterator[tuple[str, Source]]:
    """The values themselves, not the sections that they stand in."""
    for key, source in sorted(sources.items()):
        whole = key.partition(".")[0] in _WHOLE
        inner = any(other.startswith((f"{key}.", f"{key}[")) for other in sources)
        if (whole and key in _WHOLE) or (not whole and not inner):
            yield key, source


def _facts(shown: _Shown) -> dict[str, str]:
    entry, family = shown.entry, shown.family
    vision = f", {entry.vision_parameters:,} of them in tower and projector" if entry.vision_parameters else ""
    return {
        "model type": entry.name,
        "aliases": ", ".join(entry.aliases),
        "family": f"{entry.family} ({family.title})",
        "plugin": entry.plugin,
        "modalities": ", ".join(entry.modalities),
        "parameters": f"{entry.parameters:,}{vision}",
        "context length": f"{entry.context_length:,} tokens",
        "vision tower": entry.vision_tower,
        "language model": entry.language_model,
        "template": entry.template,
        "Hugging Face": _repository(entry.hub.huggingface, entry.hub.huggingface_revision),
        "ModelScope": _repository(entry.hub.modelscope, entry.hub.modelscope_revision),
        "checkpoint": str(entry.checkpoint or ""),
        "licence": _licence(entry),
        "limits": ", ".join(f"{count} {kind}" for kind, count in vars(entry.limits).items() if count is not None),
        "needs": ", ".join(f"{name} {versions}" for name, versions in entry.requires.items()),
        "verified": _verified(shown),
        "declared in": str(entry.source),
    }


def _repository(name: str | None, revision: str | None) -> str:
    return "" if name is None else f"{name} at {revision or 'its newest revision'}"


def _licence(entry: ModelType) -> str:
    licence = entry.licence
    accept = "must be accepted on the hub first" if licence.accept else ""
    return "; ".join(part for part in (licence.name, licence.note, accept, licence.url) if part)


def _verified(shown: _Shown) -> str:
    if shown.verification.verified(shown.entry):
        return "yes"
    return f"no: {', '.join(_missing(shown)) or 'a check failed'}"


def _missing(shown: _Shown) -> Iterator[str]:
    outcomes = shown.verification.of(shown.entry)
    return (f"{check} {outcomes[check]}" for check in BASIC_CHECKS if not outcomes[check].verified)


def _tables(shown: _Shown) -> Iterator[tuple[tuple[str, ...], list[tuple[object, ...]]]]:
    tokens = min(CONTEXT_TOKENS, shown.entry.context_length)
    yield (f"MEMORY OF A DEVICE, {tokens:,} TOKENS", *(f"TP {tp}" for tp in _DEVICES)), list(_memory_rows(shown.entry))
    options = list(_options(_media_options(shown)))
    yield ("MEDIA OPTION", "FOR", "VALUE", "DEFAULT", "WHAT IT DOES"), options
    outcomes = shown.verification.of(shown.entry).items()
    yield ("CHECK", "STATE", "CASES", "RUN"), [_outcome(check, outcome) for check, outcome in outcomes]
    yield ("VALUE", "LAYER", "DECLARED IN"), [(key, source.layer, str(source)) for key, source in shown.sources.items()]


def _memory_rows(entry: ModelType) -> Iterator[tuple[object, ...]]:
    for weights, title in _WEIGHTS.items():
        needed = [memory_needed(entry, Setup(weights, tp)) for tp in _DEVICES]
        if any(needed):
            yield title, *(gibibytes(memory.total) if memory else "-" for memory in needed)


def _media_options(shown: _Shown) -> list[MediaOption]:
    """Those of its family that apply to what it takes."""
    return [option for option in shown.family.media_options.values() if set(option.media) & set(shown.entry.modalities)]


def _options(options: Iterable[MediaOption]) -> Iterator[tuple[object, ...]]:
    for option in options:
        yield option.name, "+".join(option.media), option.expected, _default(option), option.help


def _default(option: MediaOption) -> str:
    if option.default is None:
        return option.default_from or ""
    return str(option.default).lower() if isinstance(option.default, bool) else str(option.default)


def _outcome(check: str, outcome: Outcome) -> tuple[object, ...]:
    run = outcome.records[0].run if outcome.records else None
    said = f"{run.date[:10]}, {run.machine}, {run.dtype}" if run else ""
    cases = f"{outcome.passed} of {outcome.passed + outcome.failed}" if run else ""
    return check, Painted(str(outcome), STATE_STYLES[outcome.state]), cases, said


def _record(shown: _Shown) -> dict[str, Any]:
    entry, family = shown.entry, shown.family
    return {
        **type_record(entry, shown.verification.verified(entry)),
        "title": family.title,
        "architectures": list(family.architectures),
        "vision_parameters": entry.vision_parameters,
        "vision_tower": entry.vision_tower or None,
        "language_model": entry.language_model or None,
        "licence": dict(vars(entry.licence)),
        "limits": dict(vars(entry.limits)),
        "requires": [{"distribution": name, "versions": versions} for name, versions in entry.requires.items()],
        "memory": list(_memory_records(entry)),
        "media_options": [_option_record(option) for option in _media_options(shown)],
        "verification": outcome_records(shown.verification.of(entry)),
        "declared": str(entry.source),
        "sources": [
            {"value": key, "layer": source.layer, "file": str(source.file), "line": source.line}
            for key, source in shown.sources.items()
        ],
    }


def _memory_records(entry: ModelType) -> Iterator[dict[str, Any]]:
    for weights in _WEIGHTS:
        for tp in _DEVICES:
            setup = Setup(weights, tp)
            if (needed := memory_needed(entry, setup)) is not None:
                tokens = min(setup.tokens, entry.context_length)
                yield {"weights_as": weights, "tp": tp, "tokens": tokens, **_bytes(needed)}


def _bytes(needed: Memory) -> dict[str, int]:
    return {**vars(needed), "total": needed.total}


def _option_record(option: MediaOption) -> dict[str, Any]:
    record = dict(vars(option))
    return {**record, "words": list(option.words), "media": list(option.media), "expected": option.expected}
