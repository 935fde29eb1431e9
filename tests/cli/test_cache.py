"""``cache``: what is kept is listed with sizes, and deleted by name after a question."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.hub_user import REPOSITORY, move_in, tiny_hub
from tests.hub.hub_server import HubServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with tiny_hub() as server:
        move_in(server, tmp_path, monkeypatch)
        yield server


@pytest.fixture
def pulled(server: HubServer, run: Run, tmp_path: Path) -> Path:
    """A checkpoint and a conversion."""
    conversion = tmp_path / "own" / "vlmplug" / "converted" / "Toy-0123"
    conversion.mkdir(parents=True)
    (conversion / "model.safetensors").write_bytes(bytes(5000))
    return Path(run("models", "pull", "internvl2-2b").out.strip())


@pytest.mark.usefixtures("pulled")
def test_the_list(run: Run, tmp_path: Path) -> None:
    rows = {row["name"]: row for row in run("cache", "list", "--json").json}
    checkpoint, conversion = rows[REPOSITORY], rows["Toy-0123"]
    assert (checkpoint["kind"], checkpoint["hub"], checkpoint["model_types"]) == (
        "checkpoint",
        "huggingface",
        ["internvl2-2b"],
    )
    assert (conversion["kind"], conversion["size"], conversion["hub"]) == ("conversion", 5000, None)
    table = run("cache", "list").out.splitlines()
    assert table[0].split() == ["NAME", "KIND", "SIZE", "STATE", "MODEL", "TYPES", "FOLDER"]
    assert any(line.startswith(REPOSITORY) and "2.03 MB" in line for line in table)


@pytest.mark.parametrize("name", ["internvl2-2b", REPOSITORY])
def test_what_is_named_is_deleted_and_nothing_else(run: Run, pulled: Path, name: str) -> None:
    ran = run("cache", "remove", name, "--yes")
    assert ran.code == 0
    assert "deleted 1 folder, 2.03 MB" in ran.err
    assert not pulled.exists()
    names = {row["name"] for row in run("cache", "list", "--json").json}
    assert "Toy-0123" in names
    assert REPOSITORY not in names


@pytest.mark.usefixtures("pulled")
def test_everything(run: Run) -> None:
    removed = {row["name"] for row in run("cache", "remove", "--all", "--yes", "--json").json}
    assert {REPOSITORY, "Toy-0123"} <= removed
    left = {row["kind"] for row in run("cache", "list", "--json").json}
    assert left <= {"index"}  # the index of manifests comes back with the next command


@pytest.mark.parametrize(
    ("names", "says"), [((), "Nothing is named"), (("internvl2-2c",), "Did you mean internvl2-2b")]
)
def test_what_is_not_there_is_no_name(run: Run, pulled: Path, names: tuple[str, ...], says: str) -> None:
    ran = run("cache", "remove", *names, "--yes")
    assert ran.code == 1
    assert says in ran.err
    assert pulled.exists()


class Terminal(io.StringIO):
    """A keyboard on which an answer is typed."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "there"), [("y\n", False), ("n\n", True), ("", True)])
def test_it_asks_first(run: Run, pulled: Path, answer: str, there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    ran = run("cache", "remove", "internvl2-2b")
    assert "Delete 1 folder, 2.03 MB? [y/N]" in ran.err
    assert str(pulled.parent.parent) in ran.out
    assert pulled.exists() is there


def test_nobody_to_ask(run: Run, pulled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    ran = run("cache", "remove", "internvl2-2b")
    assert ran.code == 1
    assert "--yes" in ran.err
    assert pulled.exists()


@pytest.mark.usefixtures("server")
def test_the_folders(run: Run, tmp_path: Path) -> None:
    assert run("cache", "path", "--json").json == {
        "vlmplug": str(tmp_path / "own" / "vlmplug"),
        "huggingface": str(tmp_path / "hf"),
        "modelscope": str(tmp_path / "ms"),
    }
    assert str(tmp_path / "hf") in run("cache", "path").out
