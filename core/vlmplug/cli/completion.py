"""``vlmplug completion SHELL``: the script that makes a shell complete commands, flags, model types and plugins.

The script runs ``vlmplug`` with the variable ``_ARGCOMPLETE`` at each press of the key; argcomplete does the rest.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from vlmplug.cli.parser import CommandParser
from vlmplug.errors import VlmplugError

if TYPE_CHECKING:
    from vlmplug.registry import Registry

_Completer: TypeAlias = "Callable[..., Mapping[str, str]]"

SHELLS = ("bash", "zsh", "fish")

#: What there is to choose from, with a few words on each, given what was typed so far.
Choices: TypeAlias = "Callable[[Registry], Mapping[str, str]]"


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``completion``."""
    parser.add_argument("shell", choices=SHELLS, help="bash, zsh or fish")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    # Without bash's own completion of files, which would offer them in the place of everything that is unknown here.
    print(shellcode(["vlmplug"], shell=arguments.shell, complete_arguments=["-o", "nospace"]))
    return 0


def complete(parser: CommandParser) -> None:
    """Answers the shell and ends the process.

    :param parser: the one of the program, with all commands and actions filled.
    """
    from argcomplete.completers import SuppressCompleter
    from argcomplete.finders import CompletionFinder

    for action in _values(parser):
        action.completer = _completer(action)  # type: ignore[attr-defined]
    CompletionFinder()(parser, always_complete_options=False, default_completer=SuppressCompleter())


def _values(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All flags and arguments that take a value which argparse does not list itself."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in {id(inner): inner for inner in action.choices.values()}.values():
                yield from _values(inner)
        elif action.nargs != 0 and action.choices is None:
            yield action


def _completer(action: argparse.Action) -> _Completer:
    """By the word that stands for the value in the help, or by the flag."""
    words = {action.metavar, *action.option_strings} if isinstance(action.metavar, str) else set(action.option_strings)
    for known, completer in _COMPLETERS.items():
        if known in words:
            return completer
    return _nothing


def _nothing(prefix: str, **_: Any) -> Mapping[str, str]:
    """For numbers and free text."""
    return {}


class _PathCompleter:
    def __init__(self, folders_only: bool) -> None:
        self._folders_only = folders_only

    def __call__(self, prefix: str, **_: Any) -> Mapping[str, str]:
        """Files and folders that begin with ``prefix``; hidden ones only where it says so."""
        folder, name = os.path.split(prefix)
        try:
            with os.scandir(os.path.expanduser(folder) or ".") as entries:
                found = sorted((entry.name, entry.is_dir()) for entry in entries if entry.name.startswith(name))
        except OSError:
            return {}
        shown = [(entry, is_folder) for entry, is_folder in found if name or not entry.startswith(".")]
        return {
            os.path.join(folder, entry) + ("/" if is_folder else ""): ""
            for entry, is_folder in shown
            if is_folder or not self._folders_only
        }


class _RegistryCompleter:
    """Asks the registry, with the registry files that stand in the line."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices

    def __call__(self, prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Mapping[str, str]:
        """What begins with ``prefix``; nothing where the registry cannot be read."""
        from vlmplug.cli.flags import registry_files_of
        from vlmplug.discovery import default_sources
        from vlmplug.registry import load_registry

        try:
            registry = load_registry(default_sources(registry_files_of(parsed_args)))
        except VlmplugError:
            return {}
        return {word: told for word, told in self._choices(registry).items() if word.startswith(prefix)}


def _model_types(registry: Registry) -> Mapping[str, str]:
    types = {name: f"{entry.family}, {'+'.join(entry.modalities)}" for name, entry in registry.model_types.items()}
    return {**types, **{alias: f"alias of {name}" for alias, name in registry.aliases.items()}}


def _families(registry: Registry) -> Mapping[str, str]:
    return {name: family.title for name, family in registry.families.items()}


def _plugins(registry: Registry) -> Mapping[str, str]:
    return {name: f"{record.status} {record.version or ''}".strip() for name, record in registry.plugins.items()}


def _modalities(registry: Registry) -> Mapping[str, str]:
    return {modality: "" for entry in registry.model_types.values() for modality in entry.modalities}


def _model_completer(prefix: str, **known: Any) -> Mapping[str, str]:
    """A model type, or a folder with the files of one."""
    return {**_TYPES(prefix, **known), **_FOLDERS(prefix, **known)}


_TYPES, _FOLDERS = _RegistryCompleter(_model_types), _PathCompleter(folders_only=True)

_COMPLETERS: Mapping[str, _Completer] = {
    "--model": _model_completer,
    "TYPE": _TYPES,
    "MODEL": _model_completer,
    "PLUGIN": _RegistryCompleter(_plugins),
    "--family": _RegistryCompleter(_families),
    "--modality": _RegistryCompleter(_modalities),
    "FILE": _PathCompleter(folders_only=False),
    "DIR": _FOLDERS,
    "FOLDER": _FOLDERS,
}
