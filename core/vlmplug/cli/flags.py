"""Flags that several commands share, and the objects that they stand for. Nothing heavy is imported for parsing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from vlmplug.cli.model_choice import add_model_flags
from vlmplug.cli.parser import CommandParser
from vlmplug.errors import OptionError

if TYPE_CHECKING:
    from vlmplug.conversation import Conversation, PromptOptions
    from vlmplug.host_options import HostOptions
    from vlmplug.registry import Registry
    from vlmplug.trace import Tracer

Commands: TypeAlias = "argparse._SubParsersAction[CommandParser]"

COLOR = ("auto", "always", "never")
#: What the help says about a question.
QUESTION = "what to ask; <image> in it marks the place of a picture"

_REGISTRY_BEHIND = "registry behind "
_ON, _OFF = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
_PLACEMENTS = ("beside", "inline", "family")
#: Characters of a file's name that a message shows.
_LONGEST_NAME = 200


def add_program_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the program, which stand in front of the command."""
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument(
        "--registry", action="append", default=[], metavar="FILE", help="a further registry file (repeatable)"
    )
    parser.add_argument("--strict", action="store_true", help="a broken plugin is an error (also VLMPLUG_STRICT=1)")
    parser.add_argument("--trace", action="store_true", help="show each call of a hook (also VLMPLUG_TRACE=1)")
    parser.add_argument(
        "--plugin-seconds",
        type=float,
        metavar="N",
        help="how long a plugin may take for one step (120; to load a model 300); 0: as long as it wants",
    )
    parser.add_argument("--color", choices=COLOR, default="auto", help="colours; auto: on a terminal only")


def add_hidden_program_flags(parser: argparse.ArgumentParser) -> None:
    """The same flags behind the command; they keep what was given in front of it."""
    for flag in ("--debug", "--strict", "--trace"):
        parser.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.add_argument("--plugin-seconds", type=float, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.add_argument("--color", choices=COLOR, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    # A destination of its own, because argparse would replace the files of the outer parser by those of the inner one.
    files = f"{_REGISTRY_BEHIND}{parser.prog}"
    parser.add_argument("--registry", dest=files, action="append", default=[], metavar="FILE", help=argparse.SUPPRESS)


def add_parser(commands: Commands, name: str, help_: str) -> CommandParser:
    """The parser of an action of a command."""
    parser = commands.add_parser(name, help=help_, description=help_, allow_abbrev=False)
    parser.set_defaults(command=parser)
    add_hidden_program_flags(parser)
    return parser


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def add_request_flags(parser: argparse.ArgumentParser) -> None:
    """Which model, which media, and how they become a prompt with the question, which is the command's own argument."""
    add_model_flags(parser)
    parser.add_argument("--image", action="append", default=[], metavar="FILE", help="a picture (repeatable)")
    parser.add_argument("--video", action="append", default=[], metavar="FILE", help="a clip (repeatable)")
    parser.add_argument("--system", metavar="TEXT", help="system prompt instead of the family's own")
    parser.add_argument(
        "--media-option", action="append", default=[], metavar="NAME=VALUE", help="see `vlmplug models show TYPE`"
    )
    parser.add_argument("--placement", choices=_PLACEMENTS, default="beside", help="where pictures go")
    parser.add_argument("--parse-special-tokens", action="store_true", help="read special tokens out of the text")


def registry_of(arguments: argparse.Namespace) -> Registry:
    """The registry, as `silent_registry_of`; what is wrong with registry files is noted on the standard error.

    :raises RegistryError: one of the files of ``--registry`` cannot be read.
    :raises VlmplugError: with ``--strict``, the first problem, broken plugin or name with two owners.
    :raises OptionError: ``VLMPLUG_STRICT`` is neither on nor off.
    """
    registry = silent_registry_of(arguments)
    for problem in registry.problems:
        print(f"note: {problem}", file=sys.stderr)
    return registry


def silent_registry_of(arguments: argparse.Namespace) -> Registry:
    """The registry, with the files of ``--registry``, for commands that show its problems themselves.

    :raises VlmplugError: as `registry_of`.
    """
    from vlmplug.discovery import default_sources
    from vlmplug.registry import load_registry

    return load_registry(default_sources(registry_files_of(arguments), strict_of(arguments)))


def registry_files_of(arguments: argparse.Namespace) -> list[Path]:
    """The files of ``--registry``, from left to right."""
    behind = [files for name, files in vars(arguments).items() if name.startswith(_REGISTRY_BEHIND)]
    return [Path(file) for files in (arguments.registry, *behind) for file in files]


def strict_of(arguments: argparse.Namespace) -> bool:
    """Whether a broken plugin is an error: ``--strict`` or ``VLMPLUG_STRICT=1``.

    :raises OptionError: the variable is neither on nor off.
    """
    return bool(arguments.strict) or _is_on("VLMPLUG_STRICT")


def host_options_of(arguments: argparse.Namespace) -> HostOptions:
    """How hooks are called: ``--strict``, ``--plugin-seconds``, and ``--trace`` or ``VLMPLUG_TRACE=1``, which writes to
    the standard error.

    :raises OptionError: a variable is neither on nor off, or the seconds are no number from 0.
    """
    from vlmplug.host_options import LONGEST, HostOptions

    options = HostOptions(tracer=_tracer_of(arguments), strict=strict_of(arguments))
    seconds = arguments.plugin_seconds
    if seconds is None:
        return options
    if not 0 <= seconds <= LONGEST:
        raise OptionError(f"--plugin-seconds {seconds:g} is no time.", "Give seconds, or 0 for no limit.")
    return options.within(seconds or None)


def _tracer_of(arguments: argparse.Namespace) -> Tracer | None:
    if not (arguments.trace or _is_on("VLMPLUG_TRACE")):
        return None
    from vlmplug.trace import Tracer

    return Tracer(sys.stderr)


def _is_on(variable: str) -> bool:
    value = os.environ.get(variable, "")
    if value.lower() not in _ON + _OFF:
        raise OptionError(f"The environment variable {variable} is {value!r}.", "Set it to 1 or 0.")
    return value.lower() in _ON


def conversation_of(arguments: argparse.Namespace) -> Conversation:
    """One question, with its pictures and clips in front, opened, and the system prompt if there is one.

    :raises MediaError: a file that cannot be read; named by its flag. :raises OptionError: there is nothing to ask.
    :raises PlacementError: tags of the question for which there is no file, where tags are places.
    """
    from vlmplug.conversation import Conversation, system_message, user_message
    from vlmplug.media import open_clip, open_picture
    from vlmplug.media_places import check_places

    if not (arguments.question.strip() or arguments.image or arguments.video):
        raise OptionError("The question is empty.", "Ask something, or name a picture with --image.")
    images = tuple(open_picture(file, _named("--image", file)) for file in arguments.image)
    videos = tuple(open_clip(file, _named("--video", file)) for file in arguments.video)
    question = user_message(arguments.question, images, videos)
    if arguments.placement == "beside":
        check_places(question)
    system = () if arguments.system is None else (system_message(arguments.system),)
    return Conversation((*system, question))


def _named(flag: str, file: str) -> str:
    return f"{flag} {file}" if len(file) <= _LONGEST_NAME else f"{flag} {file[:_LONGEST_NAME]}…"


def prompt_options_of(arguments: argparse.Namespace) -> PromptOptions:
    """Placement, special tokens and media options.

    :raises OptionError: a media option that is not NAME=VALUE.
    """
    from vlmplug.conversation import PromptOptions

    return PromptOptions(arguments.placement, arguments.parse_special_tokens, media_options_of(arguments))


def media_options_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The values of ``--media-option``, by name.

    :raises OptionError: one that is not NAME=VALUE.
    """
    return dict(map(_media_option, arguments.media_option))


def read_json_object(file: Path, flag: str) -> Mapping[str, Any]:
    """The JSON object in a file that a flag names.

    :raises OptionError: it cannot be read or is no JSON object.
    """
    import json

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
    import json

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
