"""The rows of files, answered by ``infer --val-dataset``."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from vlmplug.cli.flags import prompt_options_of
from vlmplug.cli.infer_flags import DELETE
from vlmplug.cli.infer_models import FlagModels
from vlmplug.cli.output import remark
from vlmplug.cli.output_file import check_folder
from vlmplug.compat.swift.request import RequestDefaults
from vlmplug.errors import OptionError
from vlmplug.rows.answering import Reader, RowRun, result_of, told_of
from vlmplug.rows.rejected_file import RejectedFile
from vlmplug.rows.result_file import OURS, ResultFile
from vlmplug.rows.row import Row, drawn_lines, read_rows
from vlmplug.rows.row_question import label_of, request_of_row

if TYPE_CHECKING:
    from tqdm import tqdm

    from vlmplug.errors import VlmplugError
    from vlmplug.pipeline import Pipeline, Request
    from vlmplug.sampling import Answer, Sampling

_FOLDER = Path("infer_result")
#: Seconds between two signs of life where the standard error is no terminal.
_PAUSE = 10.0


def answer_files(arguments: argparse.Namespace) -> int:
    """Answers all rows of all files that have no result yet; returns 1 where rows were set aside.

    :raises VlmplugError: what keeps the model from being loaded, or a file that cannot be read or written.
    """
    jobs = [_Job(arguments, source, target) for source, target in _targets(arguments).items()]
    models = FlagModels(arguments)
    preparer = models.prepare()
    defaults = RequestDefaults(preparer.model.family, arguments.system, prompt_options_of(arguments))
    sampling = models.sampling(preparer)
    run = _digest(preparer.model.model_type, arguments, defaults, sampling)
    rejected = 0
    with ExitStack() as opened:
        for job in jobs:  # files that cannot be written are found before the model is loaded
            job.open(opened, run)
        if any(job.left for job in jobs):
            pipeline = opened.enter_context(models.start(preparer))
            for job in jobs:
                job.answer(pipeline, partial(_request, defaults, sampling))
        for job in jobs:
            remark(job.summary())
            rejected += job.rejected_count
    return int(rejected > 0)


def _targets(arguments: argparse.Namespace) -> dict[Path, Path | None]:
    """Where the results of each file go; None: to the standard output.

    :raises OptionError: the results of two files would go to one, or there is no folder for ``--output``.
    """
    sources: Sequence[Path] = arguments.val_dataset
    if not arguments.save_result:
        return dict.fromkeys(sources)
    if arguments.output:
        check_folder(arguments.output, "--output")
        targets = [arguments.output for _ in sources]
    else:
        targets = [(arguments.result_dir or _FOLDER) / f"{source.stem}.jsonl" for source in sources]
    if len({target.absolute() for target in targets}) < len(targets) or len(set(sources)) < len(sources):
        raise OptionError("The results of two files would go to one file.", "Give one file at a time.")
    for source, target in zip(sources, targets, strict=True):
        if source.absolute() == target.absolute():
            raise OptionError(f"{source} would take its own results.", "Name another place with --output.")
    return dict(zip(sources, targets, strict=True))


def _digest(model_type: str, arguments: argparse.Namespace, defaults: RequestDefaults, sampling: Sampling) -> str:
    """Of everything that answers depend on besides the row."""
    model = [model_type, str(arguments.model_dir), arguments.revision]
    cut = [arguments.truncation_strategy, arguments.max_length] if arguments.truncation_strategy != DELETE else []
    what = [*model, defaults.system, asdict(sampling), asdict(defaults.options), *cut]
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]


class _Job:
    """One file and its results; satisfies `vlmplug.rows.answering.Sink`."""

    def __init__(self, arguments: argparse.Namespace, source: Path, target: Path | None) -> None:
        self._source, self._target = source, target
        self._verbose: bool = arguments.verbose
        rows = [row.key for row in read_rows(source)]
        count = arguments.val_dataset_sample
        lines = [line for line, _ in rows]
        chosen = set(lines if count < 0 else drawn_lines(lines, count, arguments.dataset_seed))
        self._keys = {key for key in rows if key[0] in chosen}
        self._system: str | None = arguments.system
        self._results: ResultFile | None = None
        self._rejected: RejectedFile | None = None
        self._bar: tqdm[None] | None = None
        self.rejected_count = self._answered = 0

    @property
    def left(self) -> int:
        """Rows without a result."""
        return len(self._keys) - self._before

    @property
    def _before(self) -> int:
        return 0 if self._results is None else len(self._keys & self._results.done) - self._answered

    def open(self, opened: ExitStack, run: str) -> None:
        """Opens the files of the results, which ``opened`` closes."""
        if self._target is not None:
            self._results = opened.enter_context(ResultFile(self._target, run))
            self._rejected = opened.enter_context(RejectedFile(self._target.with_suffix(".rejected.jsonl")))

    def answer(self, pipeline: Pipeline, reader: Reader) -> None:
        """Answers what has no result, with a bar on the standard error."""
        from tqdm import tqdm

        pause = 0.1 if sys.stderr.isatty() else _PAUSE
        bar = partial(tqdm, unit="row", file=sys.stderr, mininterval=pause, maxinterval=pause, dynamic_ncols=True)
        with bar(total=len(self._keys), initial=self._before, desc=self._source.name) as self._bar:
            RowRun(pipeline, reader, self).run(self._rows())

    def answered(self, row: Row, answer: Answer) -> None:
        """Writes a result."""
        document = row.document()
        content = result_of(document, answer, self._system, label_of(document))
        if self._results is None:
            print(json.dumps({OURS: {"line": row.line, **told_of(answer)}, **content}, ensure_ascii=False), flush=True)
        else:
            self._results.add(row, told_of(answer), content)
        self._answered += self._results is not None
        self._step(f"[QUERY]{content.get('query', content.get('messages'))}\n[RESPONSE]{answer.text}\n")

    def rejected(self, row: Row, error: VlmplugError) -> None:
        """Sets a row aside."""
        self.rejected_count += 1
        if self._rejected is None:
            self._say(f"line {row.line}: {error}", sys.stderr)
        else:
            self._rejected.add(row, error)
        self._step(f"[REJECTED]line {row.line}: {error}\n")

    def summary(self) -> str:
        """What came of it, in one line."""
        aside = f", {self.rejected_count} set aside" if self.rejected_count else ""
        where = "" if self._target is None else f"; results: {self._target}"
        return f"{self._source}: {len(self._keys)} rows, {self._before} done before{aside}{where}"

    def _rows(self) -> Iterator[Row]:
        done = self._results.done if self._results is not None else ()
        return (row for row in read_rows(self._source) if row.key in self._keys and row.key not in done)

    def _say(self, text: str, stream: TextIO) -> None:
        """A line that the bar makes room for."""
        from tqdm import tqdm

        tqdm.write(text, file=stream)

    def _step(self, shown: str) -> None:
        if self._bar is not None:
            self._bar.update()
        if self._verbose:
            self._say(shown, sys.stdout)


def _request(defaults: RequestDefaults, sampling: Sampling, row: Row) -> Request:
    return request_of_row(row.document(), defaults, sampling)
