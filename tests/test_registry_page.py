"""What docs/registry.md says is so: its files are read, do what the page says, and every key is on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.plugin_maker import write_yaml
from vlmplug import manifest, manifest_fields, override, registry_file
from vlmplug.cli import main
from vlmplug.discovery import RegistrySources
from vlmplug.document import MAX_BYTES, MAX_DEPTH, MAX_TEXT, MAX_VALUES
from vlmplug.errors import DuplicateNameError
from vlmplug.model_type import Hub
from vlmplug.registry import Registry, load_registry

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "registry.md").read_text("utf-8")
FILES = dict(re.findall(r"^`([\w./-]+)`:\n\n```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the page."""
    for name, text in FILES.items():
        write_yaml(tmp_path / name, text)
    return tmp_path


@pytest.fixture
def registry(folder: Path) -> Registry:
    return load_registry(RegistrySources(ROOT / "registry.yaml", True, None, (folder / "registry.yaml",)))


def test_the_files_do_what_the_page_says(folder: Path, registry: Registry) -> None:
    assert registry.default_model_type is not None
    assert registry.default_model_type.value == "internvl2-2b"
    named = ("internvl2", "mine", "patchwork", "tiny")
    assert {name: registry.plugins[name].status for name in named} == {
        "internvl2": "ready",
        "mine": "ready",
        "patchwork": "missing",
        "tiny": "off",
    }
    entry = registry.model_type("small")
    assert (entry.name, entry.limits.images) == ("internvl2-2b", 4)
    assert entry.hub == Hub("mirror/InternVL2-2B", "OpenGVLab/InternVL2-2B", "main")
    assert entry.checkpoint == Path("~/models/InternVL2-2B").expanduser()
    assert registry.model_type("mine-2b").requires.items() >= {"transformers": ">=5.10,<6"}.items()
    (problem,) = registry.problems
    assert "there is no plugin 'vlmplug-other'" in problem.problem


def test_the_conflict_reads_as_the_page_says(tmp_path: Path) -> None:
    text = FILES["mine/manifest.yaml"].replace("mine-2b:", "internvl2-2b:")
    write_yaml(tmp_path / "mine" / "manifest.yaml", text)
    file = write_yaml(tmp_path / "r.yaml", "registry: 1\nplugins: {mine: {manifest: mine/manifest.yaml}}\n")
    registry = load_registry(RegistrySources(ROOT / "registry.yaml", True, None, (file,)))
    with pytest.raises(DuplicateNameError) as caught:
        registry.model_type("internvl2-2b")
    problem = re.sub(r"\(\S*?((?:mine/)?manifest\.yaml:)\d+\)", r"(\1N)", caught.value.problem)
    shown = re.sub(r"(yaml:)\d+\)", r"\1N)", PAGE)
    assert f"error: {problem}\nfix: {caught.value.remedy}\n" in shown


@pytest.mark.parametrize(
    "keys",
    [registry_file.REGISTRY_KEYS, registry_file.PLUGIN_KEYS, ((), override.OVERRIDABLE), manifest_fields.HUB_KEYS,
     manifest_fields.LIMITS_KEYS],
)  # fmt: skip
def test_every_key_of_registry_files_is_on_the_page(keys: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    assert [key for part in keys for key in part if f"`{key}`" not in PAGE] == []


@pytest.mark.parametrize(
    "keys",
    [manifest.PLUGIN_KEYS, manifest.FAMILY_KEYS, manifest.MODEL_TYPE_KEYS, manifest_fields.LICENCE_KEYS,
     manifest_fields.HUB_KEYS, manifest_fields.LIMITS_KEYS, manifest_fields.MEDIA_OPTION_KEYS],
)  # fmt: skip
def test_every_key_of_manifests_is_on_the_page_about_plugins(keys: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text("utf-8")
    assert [key for part in keys for key in part if f"`{key}`" not in page] == []


def test_the_bounds_are_those_of_the_reader() -> None:
    assert (MAX_BYTES, MAX_DEPTH, MAX_VALUES, MAX_TEXT) == (1_000_000, 16, 50_000, 10_000)
    assert "a million bytes, 16 levels and 50,000 values" in PAGE
    assert "at most 10,000 characters" in PAGE


def test_a_known_model_type_is_answered_as_the_page_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["models", "show", "pixtral-12b"]) == 1
    assert f"$ vlmplug models show pixtral-12b\n{capsys.readouterr().err}" in PAGE


@pytest.mark.parametrize("name", ["manifest", "registry"])
def test_the_command_prints_the_schema(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "schema", name]) == 0
    printed = capsys.readouterr().out
    assert main(["plugins", "schema", name, "--path"]) == 0
    assert Path(capsys.readouterr().out.rstrip("\n")).read_text("utf-8") == printed


@pytest.mark.parametrize("call", [["models", "list"], ["models", "show", "internvl2-2b"], ["render", "Who are you?"]])
def test_a_broken_file_of_the_user_is_noted_and_the_command_works(
    call: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    file = write_yaml(tmp_path / "vlmplug" / "registry.yaml", "registry: 1\npluginz: {}\n")
    assert main(call) == 0
    assert capsys.readouterr().err == f"note: {file}:2: pluginz: unknown key 'pluginz'. Did you mean plugins?\n"
    assert main(["--strict", *call]) == 1
    assert capsys.readouterr().err.startswith(f"error: {file}:2: pluginz")
