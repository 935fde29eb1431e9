"""``vlmplug models list`` and ``vlmplug models show TYPE``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import Commands, add_json_flag, add_parser, registry_of
from vlmplug.cli.output import magnitude, print_json, remark
from vlmplug.table import format_table

if TYPE_CHECKING:
    from vlmplug.media_option import MediaOption
    from vlmplug.model_type import Family, ModelType
    from vlmplug.registry import Registry


def add_command(commands: Commands) -> None:
    """Adds ``models``."""
    parser = add_parser(commands, "models", "list model types, or show one")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = add_parser(actions, "list", "all model types that can be used")
    listing.add_argument("--family", metavar="NAME", help="only those of this family")
    listing.set_defaults(run=_list)
    add_json_flag(listing)
    show = add_parser(actions, "show", "everything that is known about one model type")
    show.add_argument("type", metavar="TYPE", help="name or alias of a model type")
    show.set_defaults(run=_show)
    add_json_flag(show)


def _list(arguments: argparse.Namespace) -> int:
    registry = registry_of(arguments)
    if arguments.family is not None:
        registry.family(arguments.family)
    wanted = (arguments.family, None)
    types = [entry for entry in registry.model_types.values() if arguments.family is None or entry.family in wanted]
    if arguments.json:
        print_json([_row(entry) for entry in types])
    else:
        print(_table(types))
    _note_broken(registry)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    registry = registry_of(arguments)
    entry = registry.model_type(arguments.type)
    family = registry.family(entry.family)
    if arguments.json:
        print_json(_record(entry, family))
    else:
        print("\n\n".join((_facts(entry, family), _options(family.media_options.values()))).rstrip())
    return 0


def _row(entry: ModelType) -> dict[str, Any]:
    return {
        "model_type": entry.name,
        "family": entry.family,
        "plugin": entry.plugin,
        "modalities": list(entry.modalities),
        "hub": asdict(entry.hub),
        "parameters": entry.parameters,
        "context_length": entry.context_length,
        "template": entry.template,
        "licence": entry.licence.name,
        "aliases": list(entry.aliases),
        "embedded": entry.checkpoint is not None,
    }


def _record(entry: ModelType, family: Family) -> dict[str, Any]:
    return {
        **_row(entry),
        "title": family.title,
        "architectures": list(family.architectures),
        "vision_tower": entry.vision_tower or None,
        "language_model": entry.language_model or None,
        "licence": asdict(entry.licence),
        "limits": asdict(entry.limits),
        "media_options": [_option_record(option) for option in family.media_options.values()],
        "declared": str(entry.source),
    }


def _option_record(option: MediaOption) -> dict[str, Any]:
    record = asdict(option)
    return {**record, "words": list(option.words), "media": list(option.media), "expected": option.expected}


def _table(types: Iterable[ModelType]) -> str:
    header = ("MODEL TYPE", "FAMILY", "PLUGIN", "MODALITIES", "PARAMETERS", "CONTEXT", "HUB")
    rows = (
        (
            entry.name,
            entry.family,
            entry.plugin,
            "+".join(entry.modalities),
            magnitude(entry.parameters),
            entry.context_length,
            _hub(entry),
        )
        for entry in types
    )
    return format_table(header, rows)


def _hub(entry: ModelType) -> str:
    if entry.checkpoint is not None:
        return "(in the package)"
    return entry.hub.huggingface or entry.hub.modelscope or ""


def _facts(entry: ModelType, family: Family) -> str:
    facts = {
        "model type": entry.name,
        "aliases": ", ".join(entry.aliases),
        "family": f"{entry.family} ({family.title})",
        "plugin": entry.plugin,
        "modalities": ", ".join(entry.modalities),
        "parameters": f"{entry.parameters:,}",
        "context length": f"{entry.context_length:,} tokens",
        "vision tower": entry.vision_tower,
        "language model": entry.language_model,
        "template": entry.template,
        "Hugging Face": entry.hub.huggingface or "",
        "ModelScope": entry.hub.modelscope or "",
        "checkpoint": str(entry.checkpoint or ""),
        "licence": " ".join(filter(None, (entry.licence.name, entry.licence.note))),
        "limits": ", ".join(f"{count} {kind}" for kind, count in asdict(entry.limits).items() if count is not None),
        "declared in": str(entry.source),
    }
    width = max(map(len, facts))
    return "\n".join(f"{name:{width}}  {fact}" for name, fact in facts.items() if fact)


def _options(options: Iterable[MediaOption]) -> str:
    rows = [(o.name, "+".join(o.media), o.expected, _default(o), o.help) for o in options]
    return format_table(("MEDIA OPTION", "FOR", "VALUE", "DEFAULT", "WHAT IT DOES"), rows) if rows else ""


def _default(option: MediaOption) -> str:
    if option.default is None:
        return option.default_from or ""
    return str(option.default).lower() if isinstance(option.default, bool) else str(option.default)


def _note_broken(registry: Registry) -> None:
    broken = [record.name for record in registry.plugins.values() if record.status == "broken"]
    if broken or registry.contested:
        names = ", ".join([*broken, *registry.contested])
        remark(f"note: left out because of errors: {names}; see `vlmplug plugins list`")
