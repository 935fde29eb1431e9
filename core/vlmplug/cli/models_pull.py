"""``vlmplug models pull MODEL``: downloads a checkpoint from a hub, or what of it is missing."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import add_json_flag, registry_of
from vlmplug.cli.hub_flags import add_hub_flags, hub_options_of
from vlmplug.cli.model_choice import add_model_argument, resolution_of
from vlmplug.cli.output import print_json, remark
from vlmplug.cli.parser import CommandParser
from vlmplug.errors import OptionError

if TYPE_CHECKING:
    from vlmplug.hub import FetchPlan, HubOptions
    from vlmplug.model_type import ModelType


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``models pull``."""
    add_model_argument(parser)
    add_hub_flags(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would be fetched and do nothing")
    parser.add_argument("--yes", action="store_true", help="accept the licence where it has to be accepted")
    add_json_flag(parser)
    parser.set_defaults(run=_pull)


def _pull(arguments: argparse.Namespace) -> int:
    from vlmplug.hub import fetch_checkpoint, plan_fetch

    registry = registry_of(arguments)
    found = resolution_of(registry, arguments.model)
    entry = found.unique()
    if found.folder is not None:
        raise OptionError(f"{found.folder} is on this machine already.", "Name a model type or a hub id to download.")
    if entry.checkpoint is not None:
        remark(f"{entry.name} needs no download: its checkpoint is part of plugin {entry.plugin}")
        return _report(arguments, entry, entry.checkpoint)
    options, family = hub_options_of(arguments, found.reference), registry.family(entry.family)
    if options.is_offline:
        return _report(arguments, entry, fetch_checkpoint(entry, family, options))
    plan = plan_fetch(entry, family, options)
    for line in _notice(plan):
        remark(line)
    return _carry_out(arguments, plan, options)


def _carry_out(arguments: argparse.Namespace, plan: FetchPlan, options: HubOptions) -> int:
    from vlmplug.cli.consent import agreed
    from vlmplug.hub import carry_out

    plan.check_space()
    entry = plan.entry
    if not arguments.dry_run:
        if plan.missing and entry.licence.accept:
            if not agreed(f"Do you accept the licence of {entry.name} ({entry.licence.name})?", arguments.yes):
                remark("nothing was fetched")
                return 1
            options = replace(options, accept_licence=True)
        carry_out(plan, options)
    return _report(arguments, entry, plan.folder, plan)


def _notice(plan: FetchPlan) -> list[str]:
    from vlmplug.hub.disk import free_space, readable

    entry, repository = plan.entry, plan.repository
    licence = entry.licence
    told = (licence.name, licence.note and f"({licence.note})", licence.url)
    lines = [
        f"{entry.name}: {repository.id} on {repository.title}, revision {repository.revision}",
        f"licence: {' '.join(filter(None, told))}",
        f"{len(plan.files)} files, {readable(plan.size)}; to fetch: {len(plan.missing)} files, "
        f"{readable(plan.bytes_to_fetch)}; free: {readable(free_space(plan.folder))}",
    ]
    if plan.bytes_to_convert:
        more = readable(plan.bytes_to_convert)
        lines.append(f"its weights are .bin files: the first use converts them to safetensors, {more} more")
    return lines


def _report(arguments: argparse.Namespace, entry: ModelType, folder: Path, plan: FetchPlan | None = None) -> int:
    if arguments.json:
        print_json(_record(arguments, entry, folder, plan))
    elif arguments.dry_run and plan is not None:
        print("\n".join(file.path for file in plan.missing))
    else:
        print(folder)
    return 0


def _record(arguments: argparse.Namespace, entry: ModelType, folder: Path, plan: FetchPlan | None) -> dict[str, Any]:
    """``plan`` None: the hub was not asked."""
    record: dict[str, Any] = {
        "model_type": entry.name,
        "licence": entry.licence.name,
        "folder": str(folder),
        "dry_run": arguments.dry_run,
        "source": None,
        "bytes": None,
        "bytes_to_fetch": 0,
        "bytes_to_convert": None,
        "files": [],
    }
    if plan is None:
        return record
    repository = plan.repository
    asked = {"hub": repository.hub, "repository": repository.id, "revision": repository.revision}
    return record | {
        "source": {**asked, "commit": plan.listing.commit},
        "bytes": plan.size,
        "bytes_to_fetch": plan.bytes_to_fetch,
        "bytes_to_convert": plan.bytes_to_convert,
        "files": [{"path": one.path, "bytes": one.size, "missing": one in plan.missing} for one in plan.files],
    }
