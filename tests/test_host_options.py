"""Options of the plugin host: which deadlines there are, and which values they take."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.errors import OptionError
from vlmplug.host_options import HostOptions


@pytest.mark.parametrize(
    ("hook", "seconds"),
    [("load_model", 300.0), ("render_prompt", 120.0), ("preprocess_media", 120.0), ("inject_vision_tokens", 120.0)],
)
def test_defaults(hook: str, seconds: float) -> None:
    assert HostOptions().seconds_for(hook) == seconds


def test_load_model_has_a_deadline_of_its_own() -> None:
    options = HostOptions(hook_seconds=1, load_seconds=2)
    assert (options.seconds_for("load_model"), options.seconds_for("render_prompt")) == (2, 1)


@pytest.mark.parametrize("seconds", [5.0, None])
def test_one_deadline_for_everything(seconds: float | None) -> None:
    options = HostOptions(strict=True).within(seconds)
    assert options == HostOptions(seconds, seconds, seconds, strict=True)


@pytest.mark.parametrize("name", ["hook_seconds", "load_seconds", "import_seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 10**400, "5", True])
def test_what_is_no_time_is_refused(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"{name} is ") as caught:
        HostOptions(**{name: value})
    assert "None for no limit" in caught.value.remedy
