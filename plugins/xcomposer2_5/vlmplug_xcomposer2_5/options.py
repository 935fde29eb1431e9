"""Media options of the family: what a caller may choose for pictures and clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmplug.conversation import MediaOptions
from vlmplug.media_option import MediaOption, check_media_options

#: Bounds on what one picture or clip may cost.
MAX_TILES, MAX_FRAMES = 64, 64
#: ``hd_num`` of the official ``chat`` for one picture, and for each of several.
TILES_OF_ONE, TILES_OF_SEVERAL = 24, 6
#: ``num_frm`` of the official ``load_video``.
FRAMES = 32

#: Types and ranges; names and bounds are those of the manifest.
DECLARED: Mapping[str, MediaOption] = {
    option.name: option
    for option in (
        MediaOption("hd_num", "integer", None, "", low=1, high=MAX_TILES),
        MediaOption("max_frames", "integer", None, "", low=1, high=MAX_FRAMES, media=("video",)),
        MediaOption("labels", "word", None, "", words=("none", "pillow"), media=("video",)),
        MediaOption("image_argument", "word", None, "", words=("list", "none")),
    )
}


def check_request(given: MediaOptions) -> None:
    """Checks the options of a request.

    :raises OptionError: an unknown option, or a value out of its range.
    """
    check_media_options(DECLARED, given, "the request")


def picture_options(request: MediaOptions, own: MediaOptions, where: str, several: bool) -> dict[str, Any]:
    """What preparing a picture needs: ``hd_num``, the most tiles that it is cut into.

    :param own: of the picture itself. :param where: what it is called in messages.
    :param several: whether the conversation has more pictures and clips. Each picture has 6 tiles at most then,
        whatever the request says, as in the official ``chat``; a picture's own number holds.
    :raises OptionError: as `check_request`.
    """
    check_media_options(DECLARED, own, where, "image")
    of_request = TILES_OF_SEVERAL if several else request.get("hd_num") or TILES_OF_ONE
    return {"hd_num": own.get("hd_num") or of_request}


def clip_options(request: MediaOptions, own: MediaOptions, where: str) -> dict[str, Any]:
    """What preparing a clip needs: ``max_frames`` and ``labels``.

    :raises OptionError: as `check_request`.
    """
    check_media_options(DECLARED, own, where, "video")
    return {
        "max_frames": own.get("max_frames") or request.get("max_frames") or FRAMES,
        "labels": own.get("labels") or request.get("labels") or "none",
    }
