"""``vlmplug infer``: one question, a conversation, or the rows of a file."""

from __future__ import annotations

import argparse

from vlmplug.cli.infer_flags import add_infer_flags, settle_model_flags
from vlmplug.cli.output import remark
from vlmplug.cli.parser import CommandParser
from vlmplug.cli.swift_flags import swift_remarks
from vlmplug.errors import OptionError


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``infer``."""
    add_infer_flags(parser)
    parser.set_defaults(run=_infer)


def _infer(arguments: argparse.Namespace) -> int:
    for line in swift_remarks(arguments):
        remark(f"note: {line}")
    settle_model_flags(arguments)
    _check(arguments)
    if arguments.val_dataset:
        from vlmplug.cli.infer_rows import answer_files

        return answer_files(arguments)
    if arguments.question is not None:
        from vlmplug.cli.infer_once import answer_question

        return answer_question(arguments)
    from vlmplug.cli.infer_dialogue import hold_dialogue

    return hold_dialogue(arguments)


def _check(arguments: argparse.Namespace) -> None:
    """What flags say together.

    :raises OptionError: they contradict each other.
    """
    if arguments.val_dataset and (arguments.question is not None or arguments.image or arguments.video):
        raise OptionError("A question or media stand beside --val-dataset.", "Write them into the rows of the file.")
    if arguments.json and arguments.question is None:
        raise OptionError("--json goes with one question.", "Ask it, or write results to a file with --output.")
    if arguments.draw and arguments.question is None:
        raise OptionError("--draw goes with one question.", "Ask it; rows of a file have boxes in their results.")
    if arguments.output and arguments.result_dir:
        raise OptionError("--output and --result-dir name two places.", "Keep one.")
