"""A hub with one small checkpoint, a model type that is on it, and options that reach nothing but it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.hub_server import REPOSITORY, HubServer
from vlmplug.hub.options import HubName, HubOptions, Patience, Site
from vlmplug.model_type import Family, Hub, Licence, ModelType, Source

SOURCE = Source("option", Path("manifest.yaml"), 1)
FAMILY = Family("toy", "Toy", "toy", ("ToyForCausalLM",), SOURCE)
ENTRY = ModelType(
    name="toy-1b",
    family="toy",
    plugin="toy",
    template="plain",
    modalities=("text", "image"),
    parameters=1000,
    context_length=128,
    licence=Licence("Toy licence", url="https://example.org/licence"),
    source=SOURCE,
    hub=Hub(huggingface=REPOSITORY, modelscope=REPOSITORY),
)
#: Long enough to be cut in the middle of, and no repetition of its parts.
WEIGHTS = b"".join(number.to_bytes(4, "big") for number in range(75_000))
FILES = {
    "config.json": b'{"architectures": ["ToyForCausalLM"]}',
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": WEIGHTS,
    "README.md": b"# Toy",
    "modeling_toy.py": b"raise SystemExit('remote code ran')",
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loopback interface is reached directly, whatever this machine needs for others."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture(params=["huggingface", "modelscope"])
def hub(request: pytest.FixtureRequest) -> HubName:
    """Each hub in turn."""
    name: HubName = request.param
    return name


@pytest.fixture
def server() -> Iterator[HubServer]:
    """A hub with the files of `FILES`."""
    with HubServer(FILES) as server:
        yield server


def options_of(server: HubServer, folder: Path, hub: HubName | None = None, token: str = "") -> HubOptions:
    """Options that reach only this server, keep their caches in ``folder``, and lose no time."""
    return HubOptions(
        hub=hub or "auto",
        offline=False,
        huggingface=Site(server.endpoint, folder / "hf", token),
        modelscope=Site(server.endpoint, folder / "ms", token),
        patience=Patience(timeout=5.0, attempts=3, pause=0.01, longest_pause=2.0),
    )


@pytest.fixture
def options(server: HubServer, tmp_path: Path, hub: HubName) -> HubOptions:
    """Options for each hub in turn."""
    return options_of(server, tmp_path, hub)
