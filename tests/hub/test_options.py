"""Where hubs, caches and tokens come from: what the caller says, else the environment, else what everybody has."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.errors import OptionError
from vlmplug.hub import HubName, HubOptions, Site

VARIABLES = (
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_TOKEN",
    "XDG_CACHE_HOME",
    "MODELSCOPE_ENDPOINT",
    "MODELSCOPE_DOMAIN",
    "MODELSCOPE_CACHE",
    "MODELSCOPE_API_TOKEN",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("hub", "variables", "expected"),
    [
        ("huggingface", {}, "https://huggingface.co"),
        ("huggingface", {"HF_ENDPOINT": "https://hf-mirror.example/"}, "https://hf-mirror.example"),
        ("huggingface", {"HF_ENDPOINT": "  "}, "https://huggingface.co"),
        ("modelscope", {}, "https://modelscope.cn"),
        ("modelscope", {"MODELSCOPE_ENDPOINT": "http://127.0.0.1:8000"}, "http://127.0.0.1:8000"),
        ("modelscope", {"MODELSCOPE_DOMAIN": "www.modelscope.ai"}, "https://www.modelscope.ai"),
    ],
)
def test_endpoints(hub: HubName, variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert HubOptions().endpoint(hub) == expected
    mine = HubOptions(huggingface=Site("http://mine"), modelscope=Site("http://mine/"))
    assert mine.endpoint(hub) == "http://mine"


@pytest.mark.parametrize("address", ["hf-mirror.com", "ftp://x", "https://", "file:///x", "javascript:0"])
def test_an_endpoint_that_is_no_web_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(OptionError, match="The endpoint of Hugging Face is"):
        HubOptions().endpoint("huggingface")


@pytest.mark.parametrize(
    ("hub", "variables", "expected"),
    [
        ("huggingface", {}, ".cache/huggingface/hub"),
        ("huggingface", {"XDG_CACHE_HOME": "~/xdg"}, "xdg/huggingface/hub"),
        ("huggingface", {"HF_HOME": "~/hf", "XDG_CACHE_HOME": "~/xdg"}, "hf/hub"),
        ("huggingface", {"HF_HUB_CACHE": "$HOME/direct", "HF_HOME": "~/hf"}, "direct"),
        ("huggingface", {"HUGGINGFACE_HUB_CACHE": "~/old"}, "old"),
        ("modelscope", {}, ".cache/modelscope"),
        ("modelscope", {"MODELSCOPE_CACHE": "~/ms"}, "ms"),
    ],
)
def test_caches(
    hub: HubName, variables: dict[str, str], expected: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert HubOptions().cache(hub) == home / expected


def test_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "one")
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "two")
    assert (HubOptions().token("huggingface"), HubOptions().token("modelscope")) == ("one", "two")
    mine = HubOptions(huggingface=Site(token="mine"), modelscope=Site(token=""))
    assert (mine.token("huggingface"), mine.token("modelscope")) == ("mine", None)
    assert "mine" not in repr(mine)


def test_the_stored_token_of_hugging_face_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    (home / "token").write_text("stored\n")
    assert HubOptions().token("huggingface") == "stored"


@pytest.mark.parametrize(
    ("given", "variable", "expected"),
    [(None, "", False), (None, "1", True), (None, "0", False), (False, "1", False), (True, "", True)],
)
def test_offline(given: bool | None, variable: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", variable)
    assert HubOptions(offline=given).is_offline is expected
