"""``plugins enable`` and ``plugins disable`` write into the user's registry file, and other commands keep to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's registry file, which is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    return tmp_path / "vlmplug" / "registry.yaml"


def statuses(run: Run) -> dict[str, str]:
    return {plugin["plugin"]: plugin["status"] for plugin in run("plugins", "list", "--json").json}


def test_off_and_on_again(run: Run, file: Path) -> None:
    ran = run("plugins", "disable", "tiny", "--json")
    assert (ran.code, ran.err) == (0, f"note: wrote enabled: false for tiny in {file}\n")
    assert ran.json == [{"plugin": "tiny", "enabled": False, "status": "off", "file": str(file), "line": 5}]
    assert statuses(run)["tiny"] == "off"
    assert run("models", "show", "internvl2-tiny").code == 1

    ran = run("plugins", "enable", "tiny")
    assert (ran.code, ran.out) == (0, "tiny: ready\n")
    assert statuses(run)["tiny"] == "ready"
    assert run("models", "show", "internvl2-tiny").code == 0


def test_several_at_once_and_what_is_so_already(run: Run, file: Path) -> None:
    run("plugins", "disable", "tiny")
    ran = run("plugins", "disable", "internvl2", "tiny", "internvl2")
    assert ran.out == "internvl2: off\ntiny: off\n"
    assert ran.err.splitlines() == [
        f"note: wrote enabled: false for internvl2 in {file}",
        f"note: there was already enabled: false for tiny in {file}",
    ]


def test_the_rest_of_the_file_stays(run: Run, file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    (tmp_path / "broken.yaml").write_text("manifest: 1\n")
    content = "# mine\nregistry: 1\nplugins:\n  mine: {manifest: ../broken.yaml}  # soon\nplugins_blocked: [other]\n"
    file.write_text(content)
    ran = run("plugins", "disable", "mine")
    assert (ran.code, ran.out) == (0, "mine: off\n")
    assert file.read_text() == content.replace("broken.yaml}", "broken.yaml, enabled: false}")
    assert "mine: broken, " in run("plugins", "enable", "mine").out


def test_an_installed_plugin_that_no_registry_names(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmplug.discovery.built_in_file", lambda: None)
    run("plugins", "disable", "tiny")
    assert statuses(run)["tiny"] == "off"
    assert run("plugins", "enable", "tiny").out == "tiny: ready\n"


def test_a_blocked_plugin_stays_blocked(run: Run, file: Path) -> None:
    file.parent.mkdir()
    file.write_text("registry: 1\nplugins_blocked: [tiny]\n")
    assert run("plugins", "enable", "tiny").out == f"tiny: blocked, listed in plugins_blocked of {file}:4\n"


def test_a_stronger_file_is_named(run: Run, file: Path, tmp_path: Path) -> None:
    stronger = tmp_path / "project.yaml"
    stronger.write_text("registry: 1\nplugins:\n  tiny: {enabled: false}\n")
    ran = run("--registry", stronger, "plugins", "enable", "tiny")
    assert (ran.code, ran.out) == (0, "tiny: off\n")
    assert f"note: {stronger}:3 says enabled: false, and wins over your file" in ran.err


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_a_misspelt_name_changes_nothing(action: str, run: Run, file: Path) -> None:
    ran = run("plugins", action, "tiny", "internv2")
    assert (ran.code, ran.out) == (1, "")
    assert "There is no plugin 'internv2'." in ran.err and "internvl2" in ran.err
    assert not file.exists()


def test_a_broken_file_is_told_and_left_alone(run: Run, file: Path) -> None:
    file.parent.mkdir()
    file.write_text("registry: 1\nplugin: {}\n")
    ran = run("plugins", "disable", "tiny")
    assert ran.code == 1
    assert f"{file}:2: plugin: unknown key" in ran.err
    assert file.read_text() == "registry: 1\nplugin: {}\n"
