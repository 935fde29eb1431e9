"""Installed plugins are what `importlib.metadata` says they are, at every moment, without importing it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.metadata import MetadataPathFinder
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from vlmplug.installed import GROUP, InstalledPlugin, installed_plugins

POINTS = f"[console_scripts]\ntool = tool:main\n\n[{GROUP}]\nred = red_plugin\n"


def install(
    root: Path, folder: str, points: str | None = POINTS, name: str = "Red-Plugin", version: str = "1.0"
) -> Path:
    """The metadata of one distribution, as installers leave them."""
    info = root / folder
    info.mkdir(parents=True)
    file = "METADATA" if folder.endswith(".dist-info") else "PKG-INFO"
    (info / file).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nVersion: none\n")
    if points is not None:
        (info / "entry_points.txt").write_text(points)
    return info


@contextmanager
def only(*path: object) -> Iterator[None]:
    """Only these entries on ``sys.path``."""
    before = sys.path
    sys.path = [str(entry) for entry in path]
    try:
        yield
    finally:
        sys.path = before


def found(*path: object) -> list[InstalledPlugin]:
    with only(*path):
        return installed_plugins()


def said_by_importlib() -> list[tuple[str, str, str, str]]:
    """The same from the standard library, which keeps lookups by folders' times unless told not to."""
    MetadataPathFinder().invalidate_caches()  # an instance, because it is no class method before Python 3.12
    points = metadata.entry_points(group=GROUP)
    return [(point.name, point.value.partition(":")[0], point.dist.name, point.dist.version) for point in points]  # type: ignore[union-attr]


@pytest.mark.parametrize("folder", ["red_plugin-1.0.dist-info", "red_plugin-1.0.egg-info", "Red.Plugin.egg-info"])
def test_what_an_installer_leaves(folder: str, tmp_path: Path) -> None:
    install(tmp_path, folder)
    install(tmp_path, "other-1.dist-info", None)
    assert found(tmp_path) == [InstalledPlugin("red", "red_plugin", "Red-Plugin", "1.0")]


def test_an_egg(tmp_path: Path) -> None:
    egg = tmp_path / "red_plugin-1.0-py3.egg"
    install(egg, "EGG-INFO")
    assert found(egg) == [InstalledPlugin("red", "red_plugin", "Red-Plugin", "1.0")]


@pytest.mark.parametrize(
    ("lines", "points"),
    [
        ("a = p.q", [("a", "p.q")]),
        ("a=p:hooks", [("a", "p")]),
        ("  a  =  p  ", [("a", "p")]),
        ("a = p : hooks", [("a", "p")]),
        ("a = p:hooks [extra]", [("a", "p")]),
        ("a = p [extra]", [("a", "p")]),
        ("# a = p\n\na = p", [("a", "p")]),
        ("b = q\na = p", [("a", "p"), ("b", "q")]),
        ("a = p\n[other]\nb = q", [("a", "p")]),
        ("a = p\n[other]\nb = q\n[" + GROUP + "]\nc = r", [("a", "p"), ("c", "r")]),
        ("", []),
        ("no equals sign", [("no equals sign", "")]),
        ("a =", [("a", "")]),
        ("ä = p\n", [("ä", "p")]),
    ],
)
def test_entry_points(lines: str, points: list[tuple[str, str]], tmp_path: Path) -> None:
    info = install(tmp_path, "red-1.dist-info", None)
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n", "utf-8")
    assert [(plugin.name, plugin.package) for plugin in found(tmp_path)] == points


def test_one_broken_distribution_hides_no_other(tmp_path: Path) -> None:
    broken = install(tmp_path, "broken-1.dist-info", None)
    (broken / "entry_points.txt").write_bytes(b"[console_scripts]\nno equals sign\n\xff\xfe = \x00\n")
    (install(tmp_path, "folder-1.dist-info", None) / "entry_points.txt").mkdir()
    (tmp_path / "file-1.dist-info").write_text("not a folder")
    install(tmp_path, "red_plugin-1.0.dist-info")
    assert [plugin.name for plugin in found(tmp_path)] == ["red"]


def test_without_metadata_name_and_version_are_unknown(tmp_path: Path) -> None:
    (install(tmp_path, "red_plugin-1.0.dist-info") / "METADATA").unlink()
    assert found(tmp_path) == [InstalledPlugin("red", "red_plugin", None, None)]


def test_the_first_distribution_of_a_name_counts(tmp_path: Path) -> None:
    install(tmp_path / "first", "red_plugin-2.0.dist-info", version="2.0")
    install(tmp_path / "second", "Red.Plugin-1.0.dist-info")
    assert [plugin.version for plugin in found(tmp_path / "first", tmp_path / "second")] == ["2.0"]
    assert [plugin.version for plugin in found(tmp_path / "second", tmp_path / "first")] == ["1.0"]
    install(tmp_path / "third", "red-plugin-3.0.dist-info", None, version="3.0")
    assert len(found(tmp_path / "third", tmp_path / "first")) == 1
    install(tmp_path / "fourth", "red_plugin-4.0.dist-info", None, version="4.0")
    assert found(tmp_path / "fourth", tmp_path / "first") == []


def test_folders_that_are_not_there_and_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "red_plugin-1.0.dist-info")
    monkeypatch.chdir(tmp_path)
    assert len(found("", tmp_path / "missing")) == 1


def test_an_archive_on_the_path(tmp_path: Path) -> None:
    info = install(tmp_path / "inside", "red_plugin-1.0.dist-info")
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        for file in info.iterdir():
            stream.write(file, file.relative_to(tmp_path / "inside"))
    install(tmp_path / "folder", "blue_plugin-1.0.dist-info", f"[{GROUP}]\nblue = blue_plugin\n", "blue-plugin")
    assert found(archive, tmp_path / "folder") == [
        InstalledPlugin("blue", "blue_plugin", "blue-plugin", "1.0"),
        InstalledPlugin("red", "red_plugin", "Red-Plugin", "1.0"),
    ]


def test_a_file_on_the_path_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    install(tmp_path, "red_plugin-1.0.dist-info")
    assert [plugin.name for plugin in found(tmp_path / "file", tmp_path)] == ["red"]


def test_a_foreign_finder_of_distributions_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = install(tmp_path / "elsewhere", "red_plugin-1.0.dist-info")

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> None:
            return None

        @staticmethod
        def find_distributions(context: Any) -> Iterator[metadata.Distribution]:
            yield metadata.Distribution.at(hidden)

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert [plugin.name for plugin in found(tmp_path)] == ["red"]


def test_looking_imports_nothing_that_takes_long() -> None:
    program = """if True:
        import sys
        before = set(sys.modules)
        from vlmplug.installed import installed_plugins
        assert {plugin.name for plugin in installed_plugins()} >= {"internvl2", "tiny"}
        loaded = set(sys.modules) - before
        print(sorted(name for name in loaded if name.partition(".")[0] in ("email", "zipfile", "csv", "vlmplug_tiny")))
        print("importlib.metadata" in loaded)
        """
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\nFalse\n"


NAMES = st.sampled_from(["red", "Red_X", "red-x", "blue", "green.y"])


class Environment(RuleBasedStateMachine):
    """Folders on ``sys.path`` that change, with every time set back to the same moment."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.top = Path(tempfile.mkdtemp())
        self.path = [self.top / "one", self.top / "two"]
        for root in self.path:
            root.mkdir()

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    @rule(name=NAMES, version=st.sampled_from("12"), root=st.integers(0, 1), count=st.integers(0, 2), egg=st.booleans())
    def install(self, name: str, version: str, root: int, count: int, egg: bool) -> None:
        folder = f"{name}-{version}.{'egg' if egg else 'dist'}-info"
        shutil.rmtree(self.path[root] / folder, ignore_errors=True)
        points = "".join(f"p{number} = {name.lower()}{version}\n" for number in range(count))
        install(self.path[root], folder, f"[{GROUP}]\n{points}", name, version)

    @rule(choice=st.integers(0, 99))
    def uninstall(self, choice: int) -> None:
        if folders := self.folders():
            shutil.rmtree(folders[choice % len(folders)])

    @rule(choice=st.integers(0, 99), package=st.sampled_from(["other", "third"]))
    def edit(self, choice: int, package: str) -> None:
        if folders := self.folders():
            (folders[choice % len(folders)] / "entry_points.txt").write_text(f"[{GROUP}]\np0 = {package}\n")

    @rule()
    def reorder(self) -> None:
        self.path.reverse()

    @invariant()
    def says_what_importlib_says(self) -> None:
        for entry in [*self.top.rglob("*"), *self.path]:
            os.utime(entry, ns=(1, 1))
        with only(*self.path):
            found = installed_plugins()
            assert sorted(found) == sorted(said_by_importlib())
            assert [plugin.name for plugin in found] == sorted(plugin.name for plugin in found)

    def folders(self) -> list[Path]:
        return sorted(folder for root in self.path for folder in root.iterdir())


TestEnvironment = Environment.TestCase
TestEnvironment.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
