"""What a line of a dialogue is: a word that steers it, or something to ask."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vlmplug.errors import OptionError
from vlmplug.nearest import did_you_mean

#: Commands that stand alone and need no slash, because ms-swift 2.x has them so.
WORDS: Mapping[str, str] = {
    "clear": "forget the conversation; the system prompt stays",
    "reset-system": "read a new system prompt (nothing: the family's own) and forget the conversation",
    "multi-line": "questions of several lines; # at the end of a line ends one",
    "single-line": "questions of one line",
    "exit": "leave; quit and Ctrl-D do the same",
}
#: Commands that need the slash: what stands behind each, and what it does.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "help": ("", "show this list"),
    "save": ("FILE", "write the conversation; FILE.jsonl: add it as a row that --val-dataset takes"),
    "render": ("[TEXT]", "show the exact prompt that TEXT would have now, or that the last question had"),
    "model": ("[MODEL [FOLDER]]", "go on with another model, or show which one answers"),
}
_MEDIA = (
    "Pictures and clips: write or drag their path or address into the line, or <img>PATH</img>, <video>PATH</video>.",
    "<image> and <video> in a line are their places; without, they go in front.",
)
_SAME = {"quit": "exit"}
_NAME = re.compile(r"/([a-z][a-z-]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Command:
    """A command by its name, without slash, and the text behind it."""

    name: str
    argument: str = ""


def read_entry(text: str) -> Command | str:
    """A command, or the text as it is.

    Words are commands where nothing else stands in the line; everything goes with a slash in front.

    :raises OptionError: a slash and a name that no command has.
    """
    stripped = text.strip()
    alone = _SAME.get(stripped.lower(), stripped.lower())
    if alone in WORDS:
        return Command(alone)
    first, _, rest = stripped.partition(" ")
    found = _NAME.fullmatch(first)
    if found is None or Path(first).exists():  # a path that was dragged in begins with a slash too
        return text
    name = _SAME.get(found[1].lower(), found[1].lower())
    if name not in WORDS and name not in COMMANDS:
        raise OptionError(f"There is no command {first}.", did_you_mean(name, [*COMMANDS, *WORDS]) + " See /help.")
    return Command(name, rest.strip())


def help_text() -> str:
    """One line a command, and how media get into a question."""
    told = {f"/{name} {behind}".rstrip(): does for name, (behind, does) in COMMANDS.items()} | dict(WORDS)
    width = max(map(len, told))
    lines = [f"{name:<{width}}  {does}" for name, does in told.items()]
    return "\n".join([*lines, *_MEDIA, "Ctrl-C stops an answer."])
