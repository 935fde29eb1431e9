"""Lines that somebody edits at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter, WordCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory


class TerminalLines:
    """A `LineSource` with history, and with the tabulator key for commands and files.

    :param history: the file that remembers lines; None, or one that cannot be written: they are forgotten at the end.
    :param commands: words that begin with a slash.
    """

    interactive = True

    def __init__(self, history: Path | None, commands: Sequence[str]) -> None:
        self._session: PromptSession[str] = PromptSession(
            history=_history(history), completer=_EntryCompleter(commands), complete_while_typing=False
        )

    def read(self, prompt: str) -> str:
        """As `LineSource.read`; several lines that are pasted at once are one."""
        return self._session.prompt(prompt)


class _EntryCompleter(Completer):
    """Commands at the beginning of the line, files everywhere."""

    def __init__(self, commands: Sequence[str]) -> None:
        self._commands = WordCompleter([f"/{name}" for name in commands], sentence=True)
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        yield from self._commands.get_completions(document, complete_event)
        word = document.text_before_cursor.rpartition(" ")[2]
        if word:
            yield from self._files.get_completions(Document(word), complete_event)


def _history(file: Path | None) -> History:
    if file is None:
        return InMemoryHistory()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)  # questions are nobody else's business
        with file.open("ab"):
            return FileHistory(str(file))
    except OSError:
        return InMemoryHistory()
