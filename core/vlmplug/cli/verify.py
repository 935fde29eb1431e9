"""``vlmplug verify DIR``: a plugin against reference data made by the family's official code."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from vlmplug.cli.flags import Commands, add_json_flag, add_parser, registry_of
from vlmplug.cli.output import print_json

if TYPE_CHECKING:
    from vlmplug.verify import CaseResult, Selection
    from vlmplug.verify.forward_cases import EngineChoice, Mode

_MODES: tuple[Mode, ...] = ("batched", "chunked", "cached")
_MODE_HELP = {
    "batched": "run the forward cases all at once",
    "chunked": "run the forward cases with prompts cut into small chunks",
    "cached": "run the forward cases twice with prefix caching; the second run is compared",
}


def add_command(commands: Commands) -> None:
    """Adds ``verify``."""
    parser = add_parser(commands, "verify", "compare plugins with a reference set of format 1")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the set")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WHAT",
        help="sections (prompts,preprocess,video,forward) or patterns of case ids; repeatable",
    )
    parser.add_argument("--checkpoint", action="append", default=[], metavar="NAME", help="only this one (repeatable)")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="cpu", help="where the engine runs")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
    for mode in _MODES:
        parser.add_argument(
            f"--{mode}", dest="modes", action="append_const", const=mode, default=[], help=_MODE_HELP[mode]
        )
    parser.set_defaults(run=_verify)
    add_json_flag(parser)


def _verify(arguments: argparse.Namespace) -> int:
    from vlmplug.verify import VerifyOptions, read_golden_set, verify
    from vlmplug.verify.report import report_json, report_text

    golden = read_golden_set(arguments.folder)
    options = VerifyOptions(_selection(arguments), _engine(arguments))
    progress = _Progress()
    report = verify(golden, options, registry_of(arguments), progress.show)
    progress.end()
    if arguments.json:
        print_json(report_json(report))
    else:
        print(report_text(report))
    return 0 if report.passed else 1


def _selection(arguments: argparse.Namespace) -> Selection:
    from vlmplug.verify import Selection
    from vlmplug.verify.result import SECTIONS

    words = [word for given in arguments.only for word in given.split(",") if word]
    return Selection(
        sections=tuple(section for section in SECTIONS if section in words),
        cases=tuple(word for word in words if word not in SECTIONS),
        checkpoints=tuple(arguments.checkpoint),
    )


def _engine(arguments: argparse.Namespace) -> EngineChoice:
    from vlmplug.verify.forward_cases import EngineChoice

    modes = tuple(dict.fromkeys(arguments.modes))
    return EngineChoice(arguments.device, arguments.dtype, modes or ("alone",))


class _Progress:
    """A line at a terminal that says how far it is; nothing where the output goes elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._done: Counter[str] = Counter()

    def show(self, result: CaseResult) -> None:
        """Counts one result."""
        self._done[result.section] += 1
        if self._shown:
            counts = ", ".join(f"{section} {count}" for section, count in self._done.items())
            print(f"\r{counts}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clears the line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
