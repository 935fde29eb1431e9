"""A digest changes with what files hold, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vlmplug.file_digest import PluginDigest, files_digest, folder_files, plugin_digest

HOOKS = "digested_plugin.hooks"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with code, data and a manifest; it is importable, and must never be imported."""
    folder = tmp_path / "digested_plugin"
    for name, text in {
        "__init__.py": "raise SystemExit('imported')\n",
        "hooks.py": "raise SystemExit('imported')\n",
        "inner/data.json": "{}\n",
        "manifest.yaml": "manifest: 1\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def digest(package: Path) -> PluginDigest:
    return plugin_digest(package / "manifest.yaml", HOOKS)


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def change(package: Path) -> None:
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_bytes(content)

    return change


@pytest.mark.parametrize(
    "change",
    [
        write("__pycache__/hooks.cpython-311.pyc", b"\1"),
        write("hooks.pyc", b"\1"),
        write("verified/set.hooks.json", b"{}"),
        write(".hooks.py.swp", b"\1"),
        write("model.safetensors", b"\1"),
        write("inner/data.json", b"{}\r\n"),
        write("manifest.yaml", b"manifest: 1\r\n"),
    ],
    ids=["compiled", "compiled beside", "records", "hidden", "weights", "line ends", "line ends of the manifest"],
)
def test_what_does_not_count(change: Callable[[Path], None], package: Path) -> None:
    before = digest(package)
    change(package)
    assert digest(package) == before


@pytest.mark.parametrize(
    "change",
    [
        write("hooks.py", b"# other\n"),
        write("inner/data.json", b"{ }\n"),
        write("more.py", b""),
        lambda package: (package / "hooks.py").rename(package / "hook.py"),
        lambda package: (package / "hooks.py").unlink(),
    ],
    ids=["code", "data", "new", "renamed", "gone"],
)
def test_what_changes_the_code(change: Callable[[Path], None], package: Path) -> None:
    before = digest(package)
    change(package)
    assert digest(package).code != before.code
    assert digest(package).manifest == before.manifest


def test_the_manifest_counts_by_itself(package: Path) -> None:
    before = digest(package)
    write("manifest.yaml", b"manifest: 1\n# more\n")(package)
    assert digest(package) == PluginDigest(before.code, digest(package).manifest)
    assert digest(package).manifest != before.manifest


def test_binary_files_are_taken_as_they_are(package: Path) -> None:
    write("table.bin", b"\0\r\n")(package)
    before = digest(package)
    write("table.bin", b"\0\n")(package)
    assert digest(package) != before


def test_a_plugin_without_code_is_its_manifest_alone(package: Path) -> None:
    before = plugin_digest(package / "manifest.yaml", None)
    write("hooks.py", b"# other\n")(package)
    assert plugin_digest(package / "manifest.yaml", None) == before


def test_hooks_in_a_single_module(package: Path) -> None:
    manifest, module = package / "manifest.yaml", package.parent / "digested_module.py"
    module.write_text("raise SystemExit('imported')\n")
    before = plugin_digest(manifest, "digested_module:hooks")
    module.write_text("raise SystemExit('other')\n")
    assert plugin_digest(manifest, "digested_module:hooks").code != before.code


@pytest.mark.parametrize("hooks", ["no_such_package.hooks", "sys.hooks"])
def test_hooks_that_are_not_there_are_no_code(hooks: str, package: Path) -> None:
    assert plugin_digest(package / "manifest.yaml", hooks).code == plugin_digest(package / "manifest.yaml", None).code


def test_names_and_contents_do_not_run_into_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("b")
    (tmp_path / "ab").write_text("")
    assert files_digest({"a": tmp_path / "a"}) != files_digest({"ab": tmp_path / "ab"})
    assert set(folder_files(tmp_path)) == {"a", "ab"}
