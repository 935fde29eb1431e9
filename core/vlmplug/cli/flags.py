"""Flags that several commands share, and the objects that they stand for. Nothing heavy is imported for parsing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from vlmplug.errors import OptionError

if TYPE_CHECKING:
    from vlmplug.conversation import Conversation, PromptOptions
    from vlmplug.registry import Registry

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

DEFAULT_MODEL_TYPE = "internvl2-tiny"

_PLACEMENTS = ("beside", "inline", "family")
#: Characters of a file's name that a message shows.
_LONGEST_NAME = 200


class Command(Protocol):
    """A module with one command."""

    @property
    def add_command(self) -> Callable[[Commands], None]:
        """Adds its parser, whose default ``run`` takes the parsed arguments and returns the exit code."""


def add_parser(commands: Commands, name: str, help_: str) -> argparse.ArgumentParser:
    """The parser of a command; the flags of the program are valid behind its name, too."""
    parser = commands.add_parser(name, help=help_, description=help_, allow_abbrev=False)
    parser.set_defaults(command=parser)
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.add_argument(
        "--registry", dest="more_registry", action="append", default=[], metavar="FILE", help=argparse.SUPPRESS
    )
    return parser


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def add_request_flags(parser: argparse.ArgumentParser) -> None:
    """Which model, which question, which media, and how they become a prompt."""
    parser.add_argument("question", help="what to ask; <image> in it marks the place of a picture")
    parser.add_argument("--model-type", default=DEFAULT_MODEL_TYPE, metavar="TYPE", help="see `vlmplug models list`")
    parser.add_argument("--model-dir", type=Path, metavar="DIR", help="folder of the checkpoint")
    parser.add_argument("--image", action="append", default=[], metavar="FILE", help="a picture (repeatable)")
    parser.add_argument("--video", action="append", default=[], metavar="FILE", help="a clip (repeatable)")
    parser.add_argument("--system", metavar="TEXT", help="system prompt instead of the family's own")
    parser.add_argument(
        "--media-option", action="append", default=[], metavar="NAME=VALUE", help="see `vlmplug models show TYPE`"
    )
    parser.add_argument("--placement", choices=_PLACEMENTS, default="beside", help="where pictures go")
    parser.add_argument("--parse-special-tokens", action="store_true", help="read special tokens out of the text")


def registry_of(arguments: argparse.Namespace) -> Registry:
    """The registry, with the files of ``--registry``.

    :raises RegistryError: one of them cannot be read.
    """
    from vlmplug.discovery import default_sources
    from vlmplug.registry import load_registry

    files = [Path(file) for file in (*arguments.registry, *getattr(arguments, "more_registry", ()))]
    return load_registry(default_sources(files))


def conversation_of(arguments: argparse.Namespace) -> Conversation:
    """One question, with its pictures and clips in front, opened, and the system prompt if there is one.

    :raises MediaError: a file that cannot be read; named by its flag. :raises OptionError: there is nothing to ask.
    """
    from vlmplug.conversation import Conversation, system_message, user_message
    from vlmplug.media import open_clip, open_picture

    if not (arguments.question.strip() or arguments.image or arguments.video):
        raise OptionError("The question is empty.", "Ask something, or name a picture with --image.")
    images = tuple(open_picture(file, _named("--image", file)) for file in arguments.image)
    videos = tuple(open_clip(file, _named("--video", file)) for file in arguments.video)
    question = user_message(arguments.question, images, videos)
    system = () if arguments.system is None else (system_message(arguments.system),)
    return Conversation((*system, question))


def _named(flag: str, file: str) -> str:
    return f"{flag} {file}" if len(file) <= _LONGEST_NAME else f"{flag} {file[:_LONGEST_NAME]}…"


def prompt_options_of(arguments: argparse.Namespace) -> PromptOptions:
    """Placement, special tokens and media options.

    :raises OptionError: a media option that is not NAME=VALUE.
    """
    from vlmplug.conversation import PromptOptions

    media = dict(map(_media_option, arguments.media_option))
    return PromptOptions(arguments.placement, arguments.parse_special_tokens, media)


def read_json_object(file: Path, flag: str) -> Mapping[str, Any]:
    """The JSON object in a file that a flag names.

    :raises OptionError: it cannot be read or is no JSON object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{flag}: {file} cannot be read: {error.strerror}.", "Check the path.") from error
    except ValueError as error:
        raise OptionError(f"{flag}: {file} is not JSON: {error}.", "Check it with `python -m json.tool`.") from error
    if not isinstance(content, dict):
        raise OptionError(f"{flag}: {file} holds no JSON object.", 'Write {"type": "object", …}.')
    return content


def _media_option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise OptionError(f"--media-option {text}: there is no value.", "Write NAME=VALUE, for example max_num=6.")
    return name.replace("-", "_"), _value(value)


def _value(text: str) -> Any:
    """``12``, ``true``, ``1.5``, ``2,6`` (two numbers) or a word."""
    for candidate in (text, f"[{text}]"):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return text


class VersionAction(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Prints it and exits."""
        from importlib.metadata import version

        print(f"vlmplug {version('vlmplug')}")
        parser.exit()
