"""Pictures and clips in a line that was typed, pasted, or dragged into a terminal."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from vlmplug.errors import PlacementError

Medium = Literal["image", "video"]

_ADDRESS = re.compile(r"(https?|file)://", re.IGNORECASE)
_DATA = re.compile(r"data:(image|video)/", re.IGNORECASE)
#: What terminals make of a file: 'a b.png', with '\'' for an apostrophe; "a b.png"; a\ b.png. Explicit tags come first.
_WORD = re.compile(
    r"<(?P<tag>img|video)>(?P<inner>.+?)</(?P=tag)>"
    r"|(?:(?<=\s)|(?<![\s\S]))(?P<word>'[^'\n]*'(?:\\''[^'\n]*')*|\"[^\"\n]*\"|(?:\\.|[^\s\\])+)",
)
_BEHIND = ".,;:!?)]"
#: Endings of files, because `mimetypes` knows others on each machine.
_ENDINGS: dict[Medium, tuple[str, ...]] = {
    "image": (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"),
    "video": (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".flv", ".wmv"),
}
_PLACES = re.compile("<image>|<video>")
_TAGS: dict[Medium, str] = {"image": "<image>", "video": "<video>"}


@dataclass(frozen=True)
class Dropped:
    """One picture or clip, and whether its place was written down by tags around it."""

    medium: Medium
    source: str
    in_place: bool = False


@dataclass(frozen=True)
class Line:
    """A line without its media.

    - ``text``: with tags where media stand in the middle of it.
    - ``media``: in the order in which they were written.
    - ``strangers``: words that look like a picture or a clip but name no file; they stay in the text.
    """

    text: str
    media: tuple[Dropped, ...] = ()
    strangers: tuple[str, ...] = ()

    def missing(self, medium: Medium) -> int:
        """Tags in the text for which there is no medium."""
        return self.text.count(_TAGS[medium]) - sum(found.medium == medium for found in self.media)


_Pieces: TypeAlias = "list[str | Dropped]"


def read_line(line: str) -> Line:
    """Takes the paths and addresses of pictures and clips out of a line.

    Where the rest holds tags (``<image>``), these are their places. Otherwise they go in front if all of them stand at
    the beginning or the end of the line; if one stands in the middle, each stays where it is.

    :raises PlacementError: tags beside paths that have their place.
    """
    strangers: list[str] = []
    pieces = list(_pieces(line, strangers))
    media = tuple(piece for piece in pieces if isinstance(piece, Dropped))
    texts = _rest(pieces)
    if not media:
        return Line(line, (), tuple(strangers))
    explicit = any(found.in_place for found in media)
    if tag := _PLACES.search(texts):
        if explicit:
            raise PlacementError(
                f"{tag.group()} stands beside <img>…</img> or <video>…</video>.", "Write the path alone, or no tags."
            )
        return Line(texts, media, tuple(strangers))
    inner = _without_ends(pieces)
    if not explicit and not any(isinstance(piece, Dropped) for piece in inner):
        return Line(texts, media, tuple(strangers))
    return Line("".join(map(_with_tag, pieces)).strip(), media, tuple(strangers))


def medium_of(name: str) -> Medium | None:
    """What a path or an address names, by its ending; None where that tells nothing."""
    if found := _DATA.match(name):
        return "image" if found[1].lower() == "image" else "video"
    ending = PurePath(urlsplit(name).path if _ADDRESS.match(name) else name).suffix.lower()
    return next((medium for medium, endings in _ENDINGS.items() if ending in endings), None)


def _pieces(line: str, strangers: list[str]) -> Iterator[str | Dropped]:
    end = 0
    for match in _WORD.finditer(line):
        yield line[end : match.start()]
        if match["tag"]:
            yield Dropped("image" if match["tag"] == "img" else "video", match["inner"].strip(), True)
        else:
            yield from _of_word(match["word"], strangers)
        end = match.end()
    yield line[end:]


def _of_word(word: str, strangers: list[str]) -> Iterator[str | Dropped]:
    bare = word.rstrip(_BEHIND)
    for written in dict.fromkeys((word, bare)):
        for name in _readings(written):
            medium = medium_of(name)
            if medium is not None and _is_there(name):
                yield Dropped(medium, os.path.expanduser(name))
                yield word[len(written) :]
                return
    if medium_of(_readings(bare)[0] if bare else "") is not None:
        strangers.append(bare)
    yield word


def _readings(word: str) -> Sequence[str]:
    """What a word of a line may name: as a shell would read it, and as it is."""
    if len(word) > 1 and word[0] == word[-1] == '"':
        return (word[1:-1],)
    if word.startswith("'"):
        try:
            return tuple(shlex.split(word)) or ("",)
        except ValueError:
            return (word,)
    if sys.platform == "win32" or "\\" not in word:
        return (word,)
    return (re.sub(r"\\(.)", r"\1", word), word)


def _is_there(name: str) -> bool:
    """Whether it is an address, a file, or written so that nothing else than a file can be meant."""
    if _ADDRESS.match(name) or _DATA.match(name) or name.startswith(("/", "~/", "./", "../")):
        return True
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def _without_ends(pieces: _Pieces) -> _Pieces:
    """The pieces without the media and blanks at both ends."""
    told = [number for number, piece in enumerate(pieces) if isinstance(piece, str) and piece.strip()]
    return pieces[told[0] : told[-1] + 1] if told else []


def _with_tag(piece: str | Dropped) -> str:
    return piece if isinstance(piece, str) else _TAGS[piece.medium]


def _rest(pieces: _Pieces) -> str:
    """The texts, with one blank where there was one on both sides of what was taken out."""
    rest = ""
    for piece in pieces:
        if isinstance(piece, str):
            rest += piece[1:] if rest.endswith(" ") and piece.startswith(" ") else piece
    return rest.strip()
