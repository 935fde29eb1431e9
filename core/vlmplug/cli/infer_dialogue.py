"""``infer`` without a question: a conversation at a terminal, or with lines from a pipe."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from vlmplug.chat import ChatSettings
from vlmplug.cli.flags import prompt_options_of
from vlmplug.cli.infer_models import FlagModels
from vlmplug.cli.infer_screen import Screen
from vlmplug.cli.output import print_error
from vlmplug.cli.parser import NO_SENSE
from vlmplug.cli.turn_log import TurnLog
from vlmplug.conversation import ImagePart, VideoPart
from vlmplug.dialogue.entry import COMMANDS, WORDS
from vlmplug.dialogue.line_source import LineSource, StreamLines
from vlmplug.dialogue.loop import Dialogue
from vlmplug.dialogue.session import Session, Turn
from vlmplug.errors import OptionError
from vlmplug.media import open_clip, open_picture
from vlmplug.user_folder import state_folder_if_any

if TYPE_CHECKING:
    from vlmplug.sampling import Answer

_HISTORY = "infer_history"


def hold_dialogue(arguments: argparse.Namespace) -> int:
    """Answers lines until they end. Returns 1 where nobody was at a terminal and something went wrong, and 2 where
    nothing was asked there, else 0.

    :raises VlmplugError: what keeps the model from being loaded.
    """
    lines, first = _lines(), _first_turn(arguments)
    settings, models, log = _settings_of(arguments), FlagModels(arguments), TurnLog(arguments)
    screen = Screen(arguments)
    if isinstance(lines, StreamLines) and not sys.stdin.isatty() and not lines.begins():
        print_error(OptionError("Nothing was asked: the standard input is empty.", _how_to_ask(arguments)))
        return NO_SENSE
    with Session(models, settings) as session:

        def finished(turn: Turn, answer: Answer) -> None:
            log.add(session.chat.messages[:-1], answer.text)

        if lines.interactive:
            screen.note(f"{session.preparer.model.model_type} answers; /help tells more, Ctrl-D leaves")
        dialogue = Dialogue(session, lines, screen, first, finished)
        dialogue.run()
    return int(dialogue.errors > 0 and not lines.interactive)


def _how_to_ask(arguments: argparse.Namespace) -> str:
    """The remedy; a question behind --stop-words is taken for one of them."""
    words: list[str] = arguments.stop_words
    if words and " " in words[-1].strip():
        return f"If {words[-1]!r} is the question, write -- in front of it: all up to a flag are stop words."
    return "Ask: vlmplug infer QUESTION, or write questions to the standard input, one a line."


def _first_turn(arguments: argparse.Namespace) -> Turn:
    """Media of the flags, which go with the first question.

    :raises MediaError: one cannot be read.
    """
    images = [ImagePart(open_picture(file, f"--image {file}"), name=file) for file in arguments.image]
    videos = [VideoPart(open_clip(file, f"--video {file}"), name=file) for file in arguments.video]
    return Turn("", images, videos)


def _settings_of(arguments: argparse.Namespace) -> ChatSettings:
    options = prompt_options_of(arguments)
    return ChatSettings(
        system=arguments.system,
        media_options=options.media,
        placement=options.placement,
        parse_special_tokens=options.parse_special_tokens,
    )


def _lines() -> LineSource:
    """Where lines come from.

    :raises OptionError: from nowhere.
    """
    stream: Any = sys.stdin
    if stream is None:  # it was closed by whoever started the program
        raise OptionError("There is no question, and no standard input.", "Ask one: vlmplug infer QUESTION.")
    if stream.isatty() and sys.stdout.isatty():
        from vlmplug.dialogue.terminal_lines import TerminalLines

        folder = state_folder_if_any()
        return TerminalLines(None if folder is None else folder / _HISTORY, [*COMMANDS, *WORDS])
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
    return StreamLines(stream, sys.stderr if stream.isatty() else None)
