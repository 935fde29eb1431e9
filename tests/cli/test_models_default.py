"""``models default``: shown, set and unset; the other commands take it."""

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


def test_it_is_the_embedded_model_where_nobody_says_otherwise(run: Run, file: Path) -> None:
    ran = run("models", "default", "--json")
    assert (ran.json["model_type"], ran.json["layer"]) == ("internvl2-tiny", "built-in")
    assert run("models", "default").out.startswith("internvl2-tiny  (built-in: ")
    assert not file.exists()


@pytest.mark.parametrize(
    "name", ["internvl2-2b", "OpenGVLab/InternVL2-2B", "https://huggingface.co/OpenGVLab/InternVL2-2B"]
)
def test_setting_it_writes_the_model_type(run: Run, file: Path, name: str) -> None:
    ran = run("models", "default", name, "--json")
    assert ran.code == 0
    assert ran.json == {"model_type": "internvl2-2b", "layer": "user", "file": str(file), "line": 4}
    assert str(file) in ran.err
    assert run("models", "show", "--json").json["model_type"] == "internvl2-2b"


def test_unsetting_goes_back(run: Run, file: Path) -> None:
    run("models", "default", "internvl2-2b")
    assert run("models", "default", "--unset", "--json").json["layer"] == "built-in"
    again = run("models", "default", "--unset")
    assert again.code == 0
    assert "there is no default in" in again.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("internvl2-3b", "Did you mean"),
        ("qwen2-vl-7b-instruct", "no plugin here runs it"),
        ("./plugins/tiny/vlmplug_tiny/checkpoint", "is a folder; a default is a model type"),
    ],
)
def test_what_cannot_be_a_default_is_not_written(
    run: Run, file: Path, name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    ran = run("models", "default", name)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert not file.exists()


def test_a_broken_file_is_told_and_left_alone(run: Run, file: Path) -> None:
    file.parent.mkdir()
    file.write_text("registry: 1\nplugin: {}\n")
    ran = run("models", "default", "internvl2-2b")
    assert ran.code == 1
    assert f"{file}:2: plugin: unknown key" in ran.err
    assert file.read_text() == "registry: 1\nplugin: {}\n"


def test_a_stronger_file_is_named(run: Run, file: Path, tmp_path: Path) -> None:
    stronger = tmp_path / "project.yaml"
    stronger.write_text("registry: 1\ndefault_model_type: internvl2-8b\n")
    ran = run("--registry", stronger, "models", "default", "internvl2-2b")
    assert ran.code == 0
    assert f"{stronger}:2 says internvl2-8b, and wins over your file" in ran.err
    assert ran.out.startswith("internvl2-8b  (option: ")


def test_a_default_that_is_gone_names_the_file(run: Run, file: Path) -> None:
    file.parent.mkdir()
    file.write_text("registry: 1\ndefault_model_type: gone-1b\n")
    ran = run("render", "Hi")
    assert ran.code == 1
    assert f"default model type of {file}:2" in ran.err
    assert "vlmplug models default" in ran.err


def test_a_type_and_unset_exclude_each_other(run: Run, file: Path) -> None:
    assert run("models", "default", "internvl2-2b", "--unset").code == 2
    assert not file.exists()
