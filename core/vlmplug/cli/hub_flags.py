"""Flags about hubs: which one, which revision, and whether there is a network."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlmplug.hub.options import HubChoice, HubOptions
    from vlmplug.hub_reference import HubReference

_CHOICES: dict[str, HubChoice] = {"auto": "auto", "hf": "huggingface", "modelscope": "modelscope"}


def add_hub_flags(parser: argparse.ArgumentParser) -> None:
    """``--hub``, ``--revision`` and ``--offline``."""
    parser.add_argument("--hub", choices=tuple(_CHOICES), help="where checkpoints come from (auto: Hugging Face first)")
    parser.add_argument("--revision", metavar="REV", help="branch, tag or commit on the hub")
    parser.add_argument("--offline", action="store_true", help="fetch nothing (also HF_HUB_OFFLINE=1)")


def hub_options_of(arguments: argparse.Namespace, reference: HubReference | None = None) -> HubOptions:
    """Where a checkpoint comes from; the flags win over the hub and the revision that the model was named with."""
    from vlmplug.cli.download_bar import DownloadBar
    from vlmplug.hub.options import HubOptions

    named = reference.hub if reference is not None else None
    revision = reference.revision if reference is not None else None
    return HubOptions(
        hub=_CHOICES[arguments.hub] if arguments.hub else named or "auto",
        revision=arguments.revision or revision,
        offline=True if arguments.offline else None,
        progress=DownloadBar(),
    )
