"""``vlmplug bench``: how fast a model answers on this machine."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vlmplug.cli.flags import add_json_flag, host_options_of, media_options_of, registry_of
from vlmplug.cli.hub_flags import add_hub_flags, hub_options_of
from vlmplug.cli.model_choice import ModelChoice, add_model_flags, chosen_model
from vlmplug.cli.output import print_facts, print_json, print_table, remark
from vlmplug.cli.parser import CommandParser
from vlmplug.errors import OptionError, TokenizerError
from vlmplug.table import Painted

if TYPE_CHECKING:
    from vlmplug.bench.benchmark import Job
    from vlmplug.bench.closed_loop import Sent
    from vlmplug.bench.report import Report
    from vlmplug.bench.workload import Workload
    from vlmplug.pipeline import Preparer
    from vlmplug.registry import Registry

_SIZE = re.compile(r"([0-9]{1,6})[xX*]([0-9]{1,6})")


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``bench``."""
    add_model_flags(parser)
    add_hub_flags(parser)
    _add_workload_flags(parser)
    parser.add_argument("--concurrency", type=int, metavar="N", help="requests under way at a time; default: all")
    parser.add_argument("--warm-up", type=int, metavar="N", help="requests before those that count; default: up to 8")
    parser.add_argument(
        "--weights", choices=("checkpoint", "random"), default="checkpoint", help="random needs no weight files"
    )
    parser.add_argument("--tokenizer", type=Path, metavar="DIR", help="tokenizer files for --weights random")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="where to run")
    parser.add_argument("--dtype", choices=("auto", "float32", "float16", "bfloat16"), default="auto")
    parser.add_argument("--tp", type=int, default=1, metavar="N", help="GPUs that share the language model")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the JSON document into this file too")
    add_json_flag(parser)
    parser.set_defaults(run=_bench)


def _add_workload_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=32, metavar="N", help="how many are measured (32)")
    parser.add_argument("--images", type=int, default=1, metavar="N", help="pictures of each request (1)")
    parser.add_argument(
        "--image-size", action="append", default=[], metavar="WxH", help="1280x720; repeatable: sizes are taken in turn"
    )
    text = parser.add_mutually_exclusive_group()
    text.add_argument("--prompt-tokens", type=int, default=128, metavar="N", help="tokens of each question (128)")
    text.add_argument("--text", help="this question in every request")
    parser.add_argument("--max-new-tokens", type=int, default=128, metavar="N", help="tokens of every answer (128)")
    parser.add_argument("--seed", type=int, default=0, help="of texts, pictures and random weights (0)")
    parser.add_argument(
        "--media-option", action="append", default=[], metavar="NAME=VALUE", help="see `vlmplug models show TYPE`"
    )


def _bench(arguments: argparse.Namespace) -> int:
    # Flags that make no sense are found before a model is loaded for them.
    job = _job(arguments)
    registry = registry_of(arguments)
    with _opened(arguments, registry, chosen_model(arguments, registry)) as preparer:
        report = _report(arguments, registry, preparer, job)
    _show(arguments, report)
    return 0 if report.measured.summary.answered else 1


def _job(arguments: argparse.Namespace) -> Job:
    """:raises VlmplugError: a number out of range, a size that is none, flags that do not go together."""
    from vlmplug.bench.benchmark import Job, Plan
    from vlmplug.engine.options import EngineOptions

    _check(arguments)
    device, dtype, weights = arguments.device, arguments.dtype, arguments.weights
    return Job(
        EngineOptions(device, dtype, arguments.tp, seed=arguments.seed, weights=weights),
        _workload(arguments),
        Plan(arguments.concurrency, arguments.warm_up),
    )


def _workload(arguments: argparse.Namespace) -> Workload:
    from vlmplug.bench.workload import Workload

    return Workload(
        requests=arguments.requests,
        images=arguments.images,
        image_sizes=tuple(map(_size, arguments.image_size)) or Workload.image_sizes,
        text=arguments.text,
        prompt_tokens=arguments.prompt_tokens,
        max_new_tokens=arguments.max_new_tokens,
        seed=arguments.seed,
        media_options=media_options_of(arguments),
    )


def _size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise OptionError(f"--image-size {text} is no size.", "Write width and height in pixels, as in 1280x720.")
    return int(match[1]), int(match[2])


def _check(arguments: argparse.Namespace) -> None:
    """:raises OptionError: what would only be found once everything has been measured, or would be ignored."""
    if arguments.tokenizer is not None and arguments.weights != "random":
        raise OptionError("--tokenizer means nothing without random weights.", "Add --weights random.")
    out: Path | None = arguments.out
    if out is not None and (out.is_dir() or not os.access(out if out.exists() else out.parent, os.W_OK)):
        raise OptionError(f"--out {out} cannot be written.", "Name a file in a folder that is there.")


@contextmanager
def _opened(arguments: argparse.Namespace, registry: Registry, chosen: ModelChoice) -> Iterator[Preparer]:
    """The model without its engine. Random weights need no checkpoint: what is not here is made from the manifest."""
    from vlmplug.pipeline import open_preparer
    from vlmplug.shape_folder import shape_folder

    host = host_options_of(arguments)
    if arguments.weights == "checkpoint":
        hub = hub_options_of(arguments, chosen.reference)
        yield open_preparer(chosen.model_type, chosen.folder, registry, host, hub)
        return
    found = None if arguments.tokenizer else _checkpoint_here(registry, chosen)
    if found is not None:
        yield open_preparer(chosen.model_type, found, registry, host)
        return
    with shape_folder(registry, chosen.model_type, arguments.tokenizer) as folder:
        remark(f"note: {chosen.model_type} in its true shape, with a tokenizer that stands in for its own")
        try:
            preparer = open_preparer(chosen.model_type, folder, registry, host)
        except TokenizerError as error:
            raise TokenizerError(
                f"The tokenizer does not fit {chosen.model_type}: {error.problem}",
                "Name a folder with one that does: --tokenizer FOLDER.",
            ) from error
        yield preparer


def _checkpoint_here(registry: Registry, chosen: ModelChoice) -> Path | None:
    """The folder of a checkpoint that is on this machine; None: there is none."""
    from vlmplug.checkpoint import hub_folder

    entry = registry.model_type(chosen.model_type)
    return chosen.folder or entry.checkpoint or hub_folder(entry, registry.family(entry.family))


def _report(arguments: argparse.Namespace, registry: Registry, preparer: Preparer, job: Job) -> Report:
    from vlmplug.bench.benchmark import run_benchmark
    from vlmplug.bench.machine import this_machine
    from vlmplug.bench.report import Report, now
    from vlmplug.verify.machine import library_versions

    date, progress = now(), _Progress(job.workload.requests)
    try:
        measured = run_benchmark(preparer, job, progress.count)
    finally:
        progress.end()
    versions = library_versions(registry.owner(preparer.model.family).distribution)
    command = shlex.join(["vlmplug", *arguments.argv])
    return Report(preparer.model.model_type, job, measured, this_machine(), versions, command, date)


class _Progress:
    """A line at a terminal that says how far it is; nothing where the output goes elsewhere."""

    def __init__(self, requests: int) -> None:
        self._shown, self._done, self._all = sys.stderr.isatty(), 0, requests

    def count(self, sent: Sent) -> None:
        """One more request has ended."""
        self._done += 1
        if self._shown:
            print(f"\r{self._done} of {self._all} requests", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clears the line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _show(arguments: argparse.Namespace, report: Report) -> None:
    document = report.document()
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if arguments.json:
        print_json(document)
        return
    from vlmplug.bench.report import LATENCY_HEADER

    print_facts(arguments, report.facts())
    print()
    print_table(arguments, LATENCY_HEADER, report.latencies(), spare=("LEAST", "MOST", "P90"))
    failures = report.measured.summary.failures
    if failures:
        print()
        rows = [(failure.count, Painted(failure.error, "bad"), failure.message) for failure in failures]
        print_table(arguments, ("FAILED", "ERROR", "MESSAGE"), rows)
