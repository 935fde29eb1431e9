"""``vlmplug verify DIR...``: plugins against reference data made by their families' official code."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import add_json_flag, host_options_of, registry_of
from vlmplug.cli.output import print_json, remark
from vlmplug.cli.parser import CommandParser
from vlmplug.errors import GoldenSetError, OptionError, VlmplugError

if TYPE_CHECKING:
    from vlmplug.registry import Registry
    from vlmplug.verify import CaseResult, Selection, SetResult, VerifyOptions
    from vlmplug.verify.forward_cases import EngineChoice, Mode

_MODES: tuple[Mode, ...] = ("alone", "batched", "chunked", "cached")
_MODE_HELP = {
    "alone": "run the forward cases one after the other (the default)",
    "batched": "run the forward cases all at once",
    "chunked": "run the forward cases with prompts cut into small chunks",
    "cached": "run the forward cases twice with prefix caching; the second run is compared",
}


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``verify``."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="folder of a set")
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
    ranks = "GPUs, or processes on a CPU, that share the language model"
    parser.add_argument("--tp", type=int, default=1, metavar="N", help=ranks)
    for mode in _MODES:
        parser.add_argument(
            f"--{mode}", dest="modes", action="append_const", const=mode, default=[], help=_MODE_HELP[mode]
        )
    parser.add_argument("--record", action="store_true", help="write what came of it beside the plugin's manifest")
    parser.add_argument("--record-folder", type=Path, metavar="FOLDER", help="write it into this folder instead")
    parser.set_defaults(run=_verify)
    add_json_flag(parser)


def _verify(arguments: argparse.Namespace) -> int:
    from vlmplug.verify import VerifyOptions
    from vlmplug.verify.report import results_text

    options = VerifyOptions(_selection(arguments), _engine(arguments), host_options_of(arguments))
    run = _Run(arguments, registry_of(arguments), options)
    results = [run.result(folder) for folder in arguments.folders]
    if arguments.json:
        print_json(_document(results))
    else:
        print(results_text(results))
    if any(isinstance(result.error, GoldenSetError) for result in results):
        return 2
    return 0 if all(result.passed for result in results) else 1


def _document(results: list[SetResult]) -> dict[str, Any]:
    """Of one set its report; of several all of them, and whether all passed."""
    from vlmplug.verify.report import result_json

    if len(results) == 1:
        return result_json(results[0])
    return {"passed": all(result.passed for result in results), "sets": [result_json(result) for result in results]}


class _Run:
    """What is the same for all sets of one call."""

    def __init__(self, arguments: argparse.Namespace, registry: Registry, options: VerifyOptions) -> None:
        from vlmplug.verify.record import check_recordable

        self._registry, self._options = registry, options
        self._alone = len(arguments.folders) == 1
        self._record_folder: Path | None = arguments.record_folder
        self._recorded: bool = arguments.record or self._record_folder is not None
        if self._recorded:
            check_recordable(options.selection)

    def result(self, folder: Path) -> SetResult:
        """What came of one set; among several, one that cannot be verified does not keep the others from it."""
        from vlmplug.verify import SetResult

        try:
            return self._verified(folder)
        except VlmplugError as error:
            if self._alone:
                raise
            return SetResult(folder, error=error)

    def _verified(self, folder: Path) -> SetResult:
        from vlmplug.verify import SetResult, read_golden_set, verify
        from vlmplug.verify.record import write_records

        golden = read_golden_set(folder)
        progress = _Progress()
        try:
            report = verify(golden, self._options, self._registry, progress.show)
        finally:
            progress.end()
        if not self._recorded:
            return SetResult(folder, report)
        files = write_records(golden, self._options.engine, report, self._registry, self._record_folder)
        for file in files:
            remark(f"recorded: {file}")
        return SetResult(folder, report, files)


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

    if arguments.tp < 1:
        raise OptionError(f"--tp is {arguments.tp}.", "Give a number from 1.")
    modes = tuple(dict.fromkeys(arguments.modes))
    return EngineChoice(arguments.device, arguments.dtype, modes or ("alone",), arguments.tp)


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
