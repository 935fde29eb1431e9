"""``models pull``: what is fetched is said before, shown while it comes, and printed as a folder in the end."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.hub_user import REPOSITORY, TINY, move_in, tiny_hub
from tests.hub.hub_server import COMMIT, Fault, HubServer
from tests.plugin_maker import write_yaml
from vlmplug.cli.download_bar import DownloadBar

NEEDED = {file.name for file in TINY.iterdir()}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with tiny_hub() as server:
        move_in(server, tmp_path, monkeypatch)
        yield server


@pytest.mark.parametrize(
    ("flags", "place"),
    [
        (("internvl2-2b",), "hf/models--OpenGVLab--InternVL2-2B/snapshots/" + COMMIT),
        (("internvl2-2b", "--hub", "hf"), "hf/models--OpenGVLab--InternVL2-2B/snapshots/" + COMMIT),
        ((REPOSITORY.lower(), "--hub", "modelscope"), "ms/models/OpenGVLab--InternVL2-2B/snapshots/master"),
        ((f"ms://{REPOSITORY}",), "ms/models/OpenGVLab--InternVL2-2B/snapshots/master"),
        ((f"https://huggingface.co/{REPOSITORY}",), "hf/models--OpenGVLab--InternVL2-2B/snapshots/" + COMMIT),
        ((f"{REPOSITORY}@{COMMIT}",), "hf/models--OpenGVLab--InternVL2-2B/snapshots/" + COMMIT),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_folder_is_printed_and_everything_else_is_a_remark(
    server: HubServer, run: Run, tmp_path: Path, flags: tuple[str, ...], place: str
) -> None:
    ran = run("models", "pull", *flags)
    assert (ran.code, ran.out) == (0, f"{tmp_path / place}\n")
    assert {file.name for file in (tmp_path / place).iterdir()} == NEEDED
    title, licence, numbers = ran.err.splitlines()
    assert title.startswith(f"internvl2-2b: {REPOSITORY} on ")
    assert licence.startswith("licence: MIT (the language model is under the InternLM licence)")
    assert numbers.startswith(f"{len(NEEDED)} files, 2.03 MB; to fetch: {len(NEEDED)} files, 2.03 MB; free: ")
    again = run("models", "pull", *flags)
    assert again.out == ran.out
    assert "to fetch: 0 files, 0 bytes" in again.err


def test_one_document(server: HubServer, run: Run) -> None:
    record = run("models", "pull", "internvl2-2b", "--json").json
    assert record["source"] == {
        "hub": "huggingface",
        "repository": REPOSITORY,
        "revision": "main",
        "commit": COMMIT,
    }
    assert {file["path"] for file in record["files"]} == NEEDED
    assert record["bytes"] == record["bytes_to_fetch"] == sum(file["bytes"] for file in record["files"])
    assert Path(record["folder"], "config.json").is_file()


def test_a_dry_run_fetches_nothing(server: HubServer, run: Run, tmp_path: Path) -> None:
    ran = run("models", "pull", "internvl2-2b", "--dry-run")
    assert set(ran.out.split()) == NEEDED
    assert not (tmp_path / "hf").exists()
    assert run("models", "pull", "internvl2-2b", "--dry-run", "--json").json["dry_run"] is True


def test_offline(server: HubServer, run: Run) -> None:
    refused = run("models", "pull", "internvl2-2b", "--offline")
    assert (refused.code, refused.out) == (1, "")
    assert "this is offline mode" in refused.err
    pulled = run("models", "pull", "internvl2-2b")
    server.seen.clear()
    assert run("models", "pull", "internvl2-2b", "--offline").out == pulled.out
    assert server.seen == []


def test_a_checkpoint_in_a_package_needs_no_hub(server: HubServer, run: Run) -> None:
    ran = run("models", "pull", "internvl2-tiny")
    assert ran.code == 0
    assert Path(ran.out.strip(), "config.json").is_file()
    assert "part of plugin tiny" in ran.err
    assert server.seen == []


def test_a_folder_is_here_already(server: HubServer, run: Run) -> None:
    ran = run("models", "pull", Path("plugins/tiny/vlmplug_tiny/checkpoint").resolve())
    assert (ran.code, ran.out) == (1, "")
    assert "is on this machine already" in ran.err


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(403), "accept the conditions there (licence: https://"),
        (Fault(404), "does not exist"),
        (Fault(429, {"Retry-After": "900"}), "wants fewer requests. It asks for 900 seconds."),
    ],
    ids=["403", "404", "429"],
)
def test_a_hub_that_refuses_is_an_error_with_a_fix(server: HubServer, run: Run, fault: Fault, says: str) -> None:
    server.faults["listing"] = [fault]
    ran = run("models", "pull", "internvl2-2b")
    assert (ran.code, ran.out) == (1, "")
    problem, fix = ran.err.splitlines()
    assert (problem[:7], fix[:5]) == ("error: ", "fix: ")
    assert says in ran.err


def test_an_unknown_revision(server: HubServer, run: Run) -> None:
    assert "has no revision v9" in run("models", "pull", "internvl2-2b", "--revision", "v9").err


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    """A registry file with a model type whose licence has to be accepted."""
    types = {
        "strict-2b": {
            "family": "internvl2",
            "template": "internlm2-chat",
            "modalities": ["text"],
            "parameters": 1000,
            "context_length": 128,
            "licence": {"name": "Strict", "accept": True, "url": "https://example.org/strict"},
            "hub": {"huggingface": REPOSITORY},
        }
    }
    manifest = {"manifest": 1, "plugin": {"name": "strict", "api": 1}, "model_types": types}
    write_yaml(tmp_path / "manifest.yaml", manifest)
    plugins = {"strict": {"manifest": "manifest.yaml"}}
    return write_yaml(tmp_path / "registry.yaml", {"registry": 1, "plugins": plugins})


class Terminal(io.StringIO):
    """A keyboard on which an answer is typed."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_a_licence_is_asked_for(
    server: HubServer, run: Run, strict: Path, answer: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    ran = run("--registry", strict, "models", "pull", "strict-2b")
    assert ran.code == code
    assert "Do you accept the licence of strict-2b (Strict)? [y/N]" in ran.err
    assert "https://example.org/strict" in ran.err
    assert bool(ran.out) is (code == 0)


def test_nobody_to_ask(server: HubServer, run: Run, strict: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    ran = run("--registry", strict, "models", "pull", "strict-2b")
    assert (ran.code, ran.out) == (1, "")
    assert "--yes" in ran.err
    assert run("--registry", strict, "models", "pull", "strict-2b", "--yes").code == 0


def test_infer_fetches_what_it_lacks_and_render_does_not(server: HubServer, run: Run) -> None:
    refused = run("render", "--model", "internvl2-2b", "hi")
    assert refused.code == 1
    assert "vlmplug models pull internvl2-2b" in refused.err
    assert server.seen == []
    ran = run("infer", "--model", "internvl2-2b", "--media-option", "max_nun=4", "hi")
    assert "fetching internvl2-2b from Hugging Face: 2.03 MB, licence: MIT" in ran.err
    assert "Did you mean max_num" in ran.err
    server.seen.clear()
    assert run("render", "--model", "internvl2-2b", "hi").code == 0
    assert run("infer", "--model", "internvl2-2b", "--media-option", "max_nun=4", "hi").code == 1
    assert server.seen == []


def test_infer_offline(server: HubServer, run: Run) -> None:
    ran = run("infer", "--model", "internvl2-2b", "--offline", "hi")
    assert (ran.code, ran.out) == (1, "")
    assert "this is offline mode" in ran.err
    assert server.seen == []


class Screen(io.StringIO):
    """An error output that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    bar = DownloadBar()
    bar.begin(1000, 500)
    bar.note("a note")
    bar.advance(500)
    bar.end()
    assert "100%" in screen.getvalue()
    assert "a note" in screen.getvalue()


def test_a_file_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    bar = DownloadBar(pause=0.0)
    bar.begin(2000, 0)
    bar.advance(500)
    bar.advance(1500)
    bar.end()
    assert capsys.readouterr().err.splitlines() == ["500 bytes of 2 kB (25 %)", "2 kB of 2 kB (100 %)"]


def test_a_short_download_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    bar = DownloadBar()
    bar.begin(2000, 0)
    bar.advance(2000)
    bar.end()
    assert capsys.readouterr().err == ""
