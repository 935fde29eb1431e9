"""Media options of the family: what a caller may choose for pictures and clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vlmplug.conversation import MediaOptions
from vlmplug.errors import OptionError
from vlmplug.media_option import MediaOption, Medium, check_media_options

#: Most cells of a grid: a bound on what one picture may cost.
MAX_SLICES = 64
MAX_FRAMES = 512

#: Types and ranges; names and bounds are those of the manifest.
DECLARED: Mapping[str, MediaOption] = {
    option.name: option
    for option in (
        MediaOption("max_slice_nums", "integer", None, "", low=1, high=MAX_SLICES),
        MediaOption("use_image_id", "boolean", None, ""),
        MediaOption("max_frames", "integer", None, "", low=1, high=MAX_FRAMES, media=("video",)),
    )
}


@dataclass(frozen=True)
class SliceOptions:
    """The options that apply to one picture or to the frames of one clip.

    - ``max_slice_nums``: most cells that a picture is cut into. ``use_image_id``: whether it gets its number.
    - ``max_frames``: most frames of a clip.
    """

    max_slice_nums: int
    use_image_id: bool
    max_frames: int = 64

    def overridden(self, given: MediaOptions) -> SliceOptions:
        """These options with those of ``given`` in their place; None stands for what is here already."""
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return SliceOptions(**{**asdict(self), **chosen})

    def of_item(self) -> dict[str, Any]:
        """What preparing and placing a picture or frame needs."""
        return {"max_slice_nums": self.max_slice_nums, "use_image_id": self.use_image_id}


@dataclass(frozen=True)
class OptionReader:
    """Reads the options of a request and of its parts.

    - ``image``: where the caller says nothing about a picture; ``video``: about a clip.
    - ``numbers``: whether the checkpoint knows numbers of pictures.
    """

    image: SliceOptions
    video: SliceOptions
    numbers: bool

    def read(self, request: MediaOptions, part: MediaOptions, where: str, medium: Medium) -> SliceOptions:
        """The options of one picture or clip; its own win over those of the request.

        :param where: what it is called in messages.
        :raises OptionError: an unknown option, a value out of its range, or numbers that the checkpoint has not.
        """
        check_media_options(DECLARED, request, "the request")
        check_media_options(DECLARED, part, where, medium)
        defaults = self.image if medium == "image" else self.video
        options = defaults.overridden(request).overridden(part)
        if options.use_image_id and not self.numbers:
            raise OptionError(f"{where}: this version of MiniCPM-V has no image ids.", "Leave use_image_id out.")
        return options
