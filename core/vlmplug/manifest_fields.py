"""Parts of a manifest that registry files have, too: names, hubs, limits, version requirements; and their keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from vlmplug.document import Value
from vlmplug.media_option import MEDIA, OPTION_TYPES, MediaOption, Medium, OptionType
from vlmplug.model_type import Hub, Licence, Limits
from vlmplug.number import is_number

#: Required keys and others.
LICENCE_KEYS = (("name",), ("note", "url", "accept"))
HUB_KEYS = ((), ("huggingface", "modelscope", "huggingface_revision", "modelscope_revision"))
LIMITS_KEYS = ((), ("images", "videos", "frames"))
MEDIA_OPTION_KEYS = (("type", "help"), ("default", "default_from", "range", "words", "media"))
#: No number of a manifest is larger.
HUGE = 10**15

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_RELEASE = r"[0-9]+(\.[0-9]+)*"
_MARKS = r"((a|b|rc)[0-9]+)?(\.post[0-9]+)?(\.dev[0-9]+)?"
_CLAUSE = rf"((==|!=) *{_RELEASE}\.\*|(==|!=|<=|>=|<|>) *{_RELEASE}{_MARKS}|~= *[0-9]+(\.[0-9]+)+{_MARKS})"
_SPECIFIER = re.compile(rf"{_CLAUSE}( *, *{_CLAUSE})*")
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]{0,254}")
_URL = re.compile(r"https?://[^\s]+")
_NUMERIC = ("integer", "number", "interval")


def named(value: Value) -> str:
    """A name of a plugin, family or model type.

    :raises ManifestError: it holds something else than lower-case letters, digits, dots, dashes and underscores.
    """
    return check_name(value.text(), value)


def check_name(name: str, value: Value) -> str:
    """A name that is a key; ``value`` is what stands behind it.

    :raises ManifestError: as `named`.
    """
    if not _NAME.fullmatch(name):
        raise value.error(
            f"{shortened(name)} is no name.",
            "Use at most 100 lower-case letters, digits, dots, dashes and underscores, a letter or digit first.",
        )
    return name


def named_entries(value: Value | None) -> dict[str, Value]:
    """The values of a mapping whose keys are names; nothing where there is no mapping.

    :raises ManifestError: it is no mapping, or a key is no name.
    """
    entries = {} if value is None else value.entries()
    for name, part in entries.items():
        check_name(name, part)
    return entries


def distribution(name: str, value: Value) -> str:
    """The name of a distribution, as package indexes have it.

    :raises ManifestError: it is none.
    """
    if not _DISTRIBUTION.fullmatch(name):
        raise value.error(
            f"{shortened(name)} is no name of a distribution.", "Write it as `pip install` takes it, without a version."
        )
    return name


def requires_of(fields: Mapping[str, Value]) -> dict[str, str]:
    """Distributions and the versions of them that are needed, under the key ``requires``.

    :raises ManifestError: a name that is none, or versions that are no PEP 440 specifier.
    """
    entries = fields["requires"].entries() if "requires" in fields else {}
    return {distribution(name, part): _specifier(part) for name, part in entries.items()}


def licence(value: Value) -> Licence:
    """A licence.

    :raises ManifestError: it breaks the schema.
    """
    fields = value.fields(*LICENCE_KEYS)
    return Licence(
        name=fields["name"].text(),
        note=text_of(fields, "note"),
        accept=fields["accept"].flag() if "accept" in fields else False,
        url=_url(fields["url"]) if "url" in fields else "",
    )


def hub(value: Value) -> Hub:
    """Repository ids and revisions.

    :raises ManifestError: it breaks the schema.
    """
    return Hub(**{name: hub_text(name, part) for name, part in value.fields(*HUB_KEYS).items()})


def hub_text(name: str, value: Value) -> str:
    """The repository id or the revision under a key of `Hub`.

    :raises ManifestError: it is none.
    """
    text = value.text()
    if name.endswith("_revision"):
        if not _REVISION.fullmatch(text):
            raise value.error(f"{shortened(text)} is no revision.", "Name a branch, a tag or a commit.")
    elif not _REPOSITORY.fullmatch(text):
        raise value.error(f"{shortened(text)} is no repository id.", "Write OWNER/NAME, as the hub shows it.")
    return text


def limits(value: Value) -> Limits:
    """Most pictures, clips and frames.

    :raises ManifestError: it breaks the schema.
    """
    return Limits(**{name: limit(part) for name, part in value.fields(*LIMITS_KEYS).items()})


def limit(value: Value) -> int:
    """A number of pictures, clips or frames.

    :raises ManifestError: it is none.
    """
    return value.integer(0, HUGE)


def aliases(value: Value) -> tuple[str, ...]:
    """Other names of a model type.

    :raises ManifestError: one of them is no name.
    """
    return tuple(named(alias) for alias in value.values())


def media_option(name: str, value: Value) -> MediaOption:
    """A media option.

    :raises ManifestError: it breaks the schema, or its default is not valid.
    """
    fields = value.fields(*MEDIA_OPTION_KEYS)
    low, high = _range(fields["range"]) if "range" in fields else (None, None)
    option = MediaOption(
        name=name,
        type=cast(OptionType, fields["type"].word(OPTION_TYPES)),
        default=fields["default"].data() if "default" in fields else None,
        help=fields["help"].text(),
        default_from=text_of(fields, "default_from") or None,
        low=low,
        high=high,
        words=fields["words"].texts() if "words" in fields else (),
        media=_media(fields["media"]) if "media" in fields else MEDIA,
    )
    _check_type(option, value, fields)
    if not option.accepts(option.default):
        raise fields["default"].error(
            f"{shortened(option.default)} is not a valid default.", f"Give {option.expected}."
        )
    return option


def text_of(fields: Mapping[str, Value], key: str) -> str:
    """The text under a key; empty where there is none.

    :raises ManifestError: it is no text.
    """
    return fields[key].text() if key in fields else ""


def inner_folder(value: Value) -> Path:
    """A folder beside the manifest; it must not lead out of the plugin.

    :raises ManifestError: it does.
    """
    inner = Path(value.text())
    if inner.is_absolute() or inner.drive or ".." in inner.parts:
        raise value.error(f"{shortened(value.text())} leads out of the plugin.", "Name a folder beside the manifest.")
    return value.file.parent / inner


def shortened(data: object) -> str:
    """Data as Python writes them, cut for a message."""
    shown = repr(data)
    return shown if len(shown) <= 62 else f"{shown[:61]}…"


def _specifier(value: Value) -> str:
    text = value.text()
    if not _SPECIFIER.fullmatch(text):
        raise value.error(f"{shortened(text)} is no PEP 440 version specifier.", 'Write for example ">=5.10,<6".')
    return text


def _url(value: Value) -> str:
    text = value.text()
    if not _URL.fullmatch(text):
        raise value.error(f"{shortened(text)} is no web address.", "Write https://… without spaces.")
    return text


def _media(value: Value) -> tuple[Medium, ...]:
    return tuple(cast(Medium, part.word(MEDIA)) for part in value.values(least=1))


def _check_type(option: MediaOption, value: Value, fields: Mapping[str, Value]) -> None:
    if option.type == "word" and not option.words:
        raise value.error("the key 'words' is missing.", "List the words that the option takes: words: [a, b].")
    if option.type != "word" and "words" in fields:
        raise fields["words"].error(f"an option of type {option.type} takes no words.", "Write type: word.")
    if option.type not in _NUMERIC and "range" in fields:
        raise fields["range"].error(f"an option of type {option.type} has no range.", "Remove it.")


def _range(value: Value) -> tuple[float | None, float | None]:
    ends = value.data()
    if not isinstance(ends, list) or len(ends) != 2 or not all(_is_end(end) for end in ends):
        raise value.error("expected two numbers, smallest and largest.", "Write [1, 40], or null for an open end.")
    low, high = ends
    if low is not None and high is not None and low > high:
        raise value.error(f"{low} is larger than {high}.", "Write the smallest number first.")
    return low, high


def _is_end(end: Any) -> bool:
    return end is None or is_number(end)
