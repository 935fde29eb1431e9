"""Media options of the family: what a caller may choose for pictures and clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vlmplug.conversation import MediaOptions
from vlmplug.errors import OptionError
from vlmplug.media_option import MediaOption, Medium, check_media_options
from vlmplug.parts.tiling import MAX_TILES, TilingRule
from vlmplug.prompt import MediaItem
from vlmplug_internvl2.templates import FrameLabel

_IMAGE: tuple[Medium, ...] = ("image",)
_VIDEO: tuple[Medium, ...] = ("video",)


def _tiles(name: str, media: tuple[Medium, ...]) -> MediaOption:
    return MediaOption(name, "integer", None, "", low=1, high=MAX_TILES, media=media)


#: Types and ranges; names and bounds are those of the manifest.
DECLARED: Mapping[str, MediaOption] = {
    option.name: option
    for option in (
        _tiles("max_num", _IMAGE),
        _tiles("min_num", _IMAGE),
        MediaOption("use_thumbnail", "boolean", None, "", media=_IMAGE),
        MediaOption("combine_images", "boolean", None, "", media=_IMAGE),
        MediaOption("num_segments", "integer", None, "", low=1, high=512, media=_VIDEO),
        MediaOption("bound_seconds", "interval", None, "", low=0, high=1_000_000, media=_VIDEO),
        _tiles("frame_max_num", _VIDEO),
        MediaOption("frame_label", "word", None, "", words=("plain", "hyphen"), media=_VIDEO),
    )
}


@dataclass(frozen=True)
class InternVLOptions:
    """The options that apply to one picture or clip.

    - ``max_num``, ``min_num``: most and fewest tiles of a picture, the thumbnail not counted.
    - ``use_thumbnail``: a picture cut into several tiles is also shown as a whole, last.
    - ``combine_images``: all pictures of a message share one place.
    - ``num_segments``: frames taken from a clip. ``bound_seconds``: start and end; None: the whole clip.
    - ``frame_max_num``: most tiles of a frame. ``frame_label``: how frames are numbered.
    """

    max_num: int
    min_num: int
    use_thumbnail: bool
    frame_label: FrameLabel
    combine_images: bool = False
    num_segments: int = 8
    bound_seconds: tuple[float, float] | None = None
    frame_max_num: int = 1

    def overridden(self, given: MediaOptions, where: str, medium: Medium | None = None) -> InternVLOptions:
        """These options with those of ``given`` in their place; None stands for what is here already.

        :param where: what they were given for, for messages.
        :param medium: what they apply to; None for a whole request.
        :raises OptionError: an unknown option, or a value out of its range; the message names both.
        """
        check_media_options(DECLARED, given, where, medium)
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        options = InternVLOptions(**{**asdict(self), **chosen})
        if medium == "image" and options.min_num > options.max_num:
            raise OptionError(
                f"{where}: min_num is {options.min_num}, more than max_num, which is {options.max_num}.",
                "Raise max_num or lower min_num.",
            )
        return options

    def of_picture(self) -> dict[str, Any]:
        """What `rule_of` needs to cut a picture."""
        return {"max_num": self.max_num, "min_num": self.min_num, "use_thumbnail": self.use_thumbnail}

    def of_frame(self) -> dict[str, Any]:
        """What `rule_of` needs to cut a frame."""
        return {"max_num": self.frame_max_num, "min_num": 1, "use_thumbnail": self.use_thumbnail}


def rule_of(item: MediaItem, tile_size: int) -> TilingRule:
    """How a media item is cut."""
    options = item.options
    return TilingRule(tile_size, options["min_num"], options["max_num"], options["use_thumbnail"])
