"""Media settings that swift takes out of the environment, as the family's own media options."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from vlmplug.errors import OptionError
from vlmplug.media_option import MediaOption, check_media_options
from vlmplug.media_policy import MediaPolicy

_LOG = logging.getLogger(__name__)

#: By variable, names that a family may have for it.
VARIABLES: Mapping[str, tuple[str, ...]] = {
    "MAX_NUM": ("max_num",),
    "INPUT_SIZE": ("input_size",),
    "VIDEO_SEGMENTS": ("video_segments", "num_segments"),
    "MAX_NUM_FRAMES": ("max_num_frames", "max_frames"),
    "HD_NUM": ("hd_num",),
    "MAX_SLICE_NUMS": ("max_slice_nums",),
}
TIMEOUT = "TIMEOUT"


def media_options_of(variables: Mapping[str, Any], declared: Mapping[str, MediaOption]) -> dict[str, Any]:
    """Media options that variables of the environment set, in either case.

    :param declared: what the family lets a caller choose; a variable for which it has nothing is noted.
    :raises OptionError: a value that is no number.
    """
    options: dict[str, Any] = {}
    for variable, value in variables.items():
        if (names := VARIABLES.get(variable.upper())) is None:
            continue
        option = next((name for name in names if name in declared), None)
        if option is None:
            _LOG.warning("%s=%s: this family has no such setting.", variable, value)
        else:
            options[option] = _whole(variable, value)
    return options


def named_options(settings: Mapping[str, Any], declared: Mapping[str, MediaOption]) -> dict[str, Any]:
    """Media options that ``model_kwargs`` sets, by swift's names in either case or by those of the family.

    :raises OptionError: a name that is neither, or a value of the wrong type or out of range.
    """
    variables = {name: value for name, value in settings.items() if name.upper() in VARIABLES}
    own = {name: value for name, value in settings.items() if name not in variables}
    check_media_options(declared, own, "model_kwargs")
    return {**media_options_of(variables, declared), **own}


def media_policy_of(variables: Mapping[str, str]) -> MediaPolicy:
    """Which media may be read: everything, downloads within ``TIMEOUT`` seconds.

    :raises OptionError: it is no number above 0.
    """
    given = variables.get(TIMEOUT)
    if not given:
        return MediaPolicy()
    try:
        return MediaPolicy(download_seconds=float(given))
    except ValueError as error:
        raise OptionError(f"{TIMEOUT} is {given!r}.", "Give a number of seconds.") from error


def _whole(variable: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{variable} is {value!r}.", "Give a whole number.") from error
