"""Reads lines, does what they say, and shows what comes of it, until somebody leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol

from vlmplug.answer_stream import Deltas, complete
from vlmplug.conversation import ImagePart, VideoPart
from vlmplug.dialogue.dropped_media import Dropped, Medium, read_line
from vlmplug.dialogue.entry import Command, help_text, read_entry
from vlmplug.dialogue.line_source import LineSource
from vlmplug.dialogue.session import Session, Turn
from vlmplug.dialogue.transcript import save_transcript
from vlmplug.errors import OptionError, VlmplugError
from vlmplug.media import open_clip, open_picture
from vlmplug.pipeline import Prepared
from vlmplug.sampling import Answer

_END = "#"


class Screen(Protocol):
    """Where a dialogue shows itself."""

    def answer(self, deltas: Deltas) -> Answer | None:
        """Shows an answer as it comes."""

    def say(self, text: str) -> None:
        """What somebody wanted to know."""

    def note(self, text: str) -> None:
        """A remark."""

    def error(self, error: VlmplugError) -> None:
        """What went wrong, and how to mend it."""

    def media(self, turn: Turn) -> None:
        """The pictures of a question, where they can be shown."""

    def prompt_of(self, session: Session, prepared: Prepared) -> str:
        """A prompt as text."""


class Dialogue:
    """A loop over lines. No error ends it, nor does Ctrl-C while an answer comes.

    :param first: media that go with the first question.
    :param finished: called with each turn and its answer.
    """

    def __init__(
        self,
        session: Session,
        lines: LineSource,
        screen: Screen,
        first: Turn,
        finished: Callable[[Turn, Answer], None],
    ) -> None:
        self._session, self._lines, self._screen = session, lines, screen
        self._waiting, self._finished = first, finished
        self._several = self._system = False
        self._actions: Mapping[str, Callable[[str], None]] = {
            "clear": self._clear,
            "help": self._help,
            "model": self._model,
            "multi-line": self._multi_line,
            "render": self._render,
            "reset-system": self._reset_system,
            "save": self._save,
            "single-line": self._single_line,
        }
        self.errors = 0

    def run(self) -> None:
        """Returns when the lines end or one says so; ``errors`` then counts what went wrong.

        :raises KeyboardInterrupt: Ctrl-C where nobody sits in front of it and nothing is being answered.
        """
        while True:
            try:
                if not self._do(self._read()):
                    return
            except EOFError:
                return
            except VlmplugError as error:
                self.errors += 1
                self._screen.error(error)
            except KeyboardInterrupt:
                if not self._lines.interactive:
                    raise
                self._screen.note("Ctrl-D leaves, /help tells more")

    def _read(self) -> str:
        mode = ("M" if self._several else "") + ("S" if self._system else "")
        prompt = f"[{mode}] > " if mode else "> "
        line = self._lines.read(prompt)
        if not self._several or isinstance(read_entry(line), Command):
            return line
        lines = [line]
        while not lines[-1].endswith(_END):
            lines.append(self._lines.read("  "))
        return "\n".join(lines)[: -len(_END)]

    def _do(self, line: str) -> bool:
        """Whether to go on."""
        entry = read_entry(line)
        if isinstance(entry, Command):
            self._system = False
            if entry.name == "exit":
                return False
            self._actions[entry.name](entry.argument)
        elif self._system:
            self._session.set_system(entry.strip() or None)
            self._system = False
        elif entry.strip():
            self._ask(entry)
        return True

    def _clear(self, _: str) -> None:
        self._session.chat.clear()
        self._waiting = Turn("")

    def _multi_line(self, _: str) -> None:
        self._several = True
        self._screen.note("# at the end of a line ends a question; single-line goes back")

    def _single_line(self, _: str) -> None:
        self._several = False

    def _reset_system(self, _: str) -> None:
        self._system = True
        self._screen.note("the next line is the system prompt; nothing: the family's own")

    def _help(self, _: str) -> None:
        self._screen.say(help_text())

    def _save(self, file: str) -> None:
        if not file:
            raise OptionError("No file is named.", "Write /save FILE.")
        target = Path(file).expanduser()
        save_transcript(target, self._session.chat.messages, self._session.preparer.model.model_type)
        self._screen.note(f"written to {target}")

    def _render(self, text: str) -> None:
        prepared = self._session.rendered(self._turn(text) if text else None)
        self._screen.say(self._screen.prompt_of(self._session, prepared))

    def _model(self, name: str) -> None:
        if name:
            self._session.change_model(*_model_and_folder(name))
        self._screen.note(f"{self._session.preparer.model.model_type} answers")

    def _ask(self, text: str) -> None:
        turn = self._turn(text)
        self._screen.media(turn)
        try:
            with closing(self._session.ask(turn)) as deltas:
                answer = complete(self._screen.answer(deltas))
        except KeyboardInterrupt:
            self._screen.note("stopped; this turn is forgotten")
            return
        self._waiting = Turn("")
        self._finished(turn, answer)

    def _turn(self, text: str) -> Turn:
        """What a line asks, with the media in it, those that wait, and those that its tags ask for."""
        line = read_line(text)
        for word in line.strangers:
            self._screen.note(f"{word} is no file here, and stays text")
        images = [*self._waiting.images, *(_picture(found) for found in line.media if found.medium == "image")]
        videos = [*self._waiting.videos, *(_clip(found) for found in line.media if found.medium == "video")]
        images += map(_picture, self._wanted("image", line.missing("image") - len(self._waiting.images)))
        videos += map(_clip, self._wanted("video", line.missing("video") - len(self._waiting.videos)))
        return Turn(line.text, images, videos)

    def _wanted(self, medium: Medium, count: int) -> list[Dropped]:
        """Asks for the media of tags that have none; an empty line leaves them as text."""
        found: list[Dropped] = []
        while len(found) < count:
            written = self._lines.read(f"<{medium}> path or address: ").strip()
            if not written:
                break
            dropped = [one for one in read_line(written).media if one.medium == medium]
            found += dropped or [Dropped(medium, str(Path(written).expanduser()))]
        return found


def _model_and_folder(text: str) -> tuple[str, Path | None]:
    """What ``/model`` names: a model, and the folder of its checkpoint where one stands behind it."""
    name, _, behind = text.partition(" ")
    folder = Path(behind.strip()).expanduser()
    if not behind.strip() or Path(text).expanduser().is_dir() or not folder.is_dir():
        return text, None
    return name, folder


def _picture(found: Dropped) -> ImagePart:
    return ImagePart(open_picture(found.source, found.source), name=found.source)


def _clip(found: Dropped) -> VideoPart:
    return VideoPart(open_clip(found.source, found.source), name=found.source)
