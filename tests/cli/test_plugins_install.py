"""``vlmplug plugins install`` and ``uninstall``: what they run, and what they say about it afterwards."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Ran, Run
from tests.plugin_maker import TOY_HOOKS, toy_manifest
from vlmplug.installer import Environment


def write_wheel(folder: Path, name: str, files: Mapping[str, str], version: str = "0.1") -> Path:
    """A wheel (PEP 427) of the distribution ``vlmplug-NAME`` with the plugin ``NAME``."""
    info = f"vlmplug_{name}-{version}.dist-info"
    contents = {
        **{f"{name}_plugin/{file}": text for file, text in files.items()},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: vlmplug-{name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[vlmplug.plugins]\n{name} = {name}_plugin\n",
    }
    record = io.StringIO()
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.write(f"{path},sha256={digest},{len(text.encode())}\n")
    wheel = folder / f"vlmplug_{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**contents, f"{info}/RECORD": f"{record.getvalue()}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return wheel


def plugin_wheel(folder: Path, hooks: str = TOY_HOOKS, version: str = "0.1") -> Path:
    files = {"__init__.py": "", "manifest.yaml": yaml.safe_dump(toy_manifest()), "hooks.py": hooks}
    return write_wheel(folder, "toy", files, version)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with pip and without uv."""
    environment = Environment("/env/bin/python", None, True, None)
    monkeypatch.setattr(Environment, "here", classmethod(lambda cls: environment))


@pytest.mark.usefixtures("pip")
@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["internvl2"], "install vlmplug-internvl2"),
        (["internvl2>=0.1", "tiny"], "install 'vlmplug-internvl2>=0.1' vlmplug-tiny"),
        (["tiny", "tiny"], "install vlmplug-tiny"),
    ],
)
def test_what_would_be_installed(words: list[str], command: str, run: Run) -> None:
    ran = run("plugins", "install", "--dry-run", *words)
    assert (ran.code, ran.out, ran.err) == (0, f"/env/bin/python -m pip {command}\n", "")


@pytest.mark.usefixtures("pip")
def test_what_would_be_uninstalled(run: Run) -> None:
    ran = run("plugins", "uninstall", "--dry-run", "tiny", "vlmplug-tiny")
    assert (ran.code, ran.out) == (0, "/env/bin/python -m pip uninstall --yes vlmplug-tiny\n")


@pytest.mark.usefixtures("pip")
def test_a_name_that_looks_mistyped_gets_a_remark(run: Run) -> None:
    ran = run("plugins", "install", "--dry-run", "internv2")
    assert ran.code == 0
    assert ran.err == (
        "note: internv2 is no plugin that the registry knows; internvl2 is one; it is taken as the name of a package\n"
    )


@pytest.mark.usefixtures("pip")
@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_options_of_pip_are_not_passed_on(action: str, run: Run) -> None:
    ran = run("plugins", action, "--dry-run", "--", "--target=/etc", "tiny")
    assert (ran.code, "'--target=/etc' is not a plugin" in ran.err) == (1, True)


@pytest.mark.usefixtures("pip")
def test_nobody_is_asked_where_nobody_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    ran = run("plugins", "uninstall", "tiny")
    assert (ran.code, ran.err.splitlines()[-1]) == (1, "fix: Say so with --yes.")


class Person(io.StringIO):
    """Somebody at a terminal who types an answer."""

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("pip")
@pytest.mark.parametrize("answer", ["n\n", "\n", "what?\n"])
def test_who_does_not_say_yes_keeps_the_plugin(answer: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Person(answer))
    ran = run("plugins", "uninstall", "tiny")
    assert (ran.code, ran.out.splitlines()[-1].endswith("Nothing was uninstalled.")) == (0, True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new virtual environment with pip, which finds everything that this one finds."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    site = sysconfig.get_path("purelib", vars={"base": str(folder)})
    (Path(site) / "here.pth").write_text("\n".join(path for path in sys.path if path))
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


@pytest.fixture(params=["pip", "uv"])
def inside(request: pytest.FixtureRequest, environment: Path, tmp_path: Path) -> Callable[..., Ran]:
    """Runs vlmplug in the virtual environment, with uv in reach or not."""
    uv = shutil.which("uv")
    if request.param == "uv" and uv is None:
        pytest.skip("uv is not installed")
    path = os.path.dirname(uv) if request.param == "uv" and uv else str(tmp_path / "empty")

    def run_inside(*arguments: object) -> Ran:
        words = [str(environment), "-m", "vlmplug", "plugins", *map(str, arguments)]
        settings = {**os.environ, "PATH": path, "PIP_NO_INDEX": "1", "UV_NO_INDEX": "1", "HOME": str(tmp_path)}
        ran = subprocess.run(words, env=settings, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    return run_inside


@pytest.mark.slow
def test_a_plugin_comes_and_goes(inside: Callable[..., Ran], tmp_path: Path) -> None:
    came = inside("install", plugin_wheel(tmp_path))
    assert came.code == 0, came.err
    assert "plugin toy: ok, 0.1, hooks inject_vision_tokens, load_model" in came.out
    assert "toy-1b" in inside("show", "toy").out

    upgraded = inside("install", plugin_wheel(tmp_path, "import there_is_no_such_library\n", "0.2"))
    assert upgraded.code == 1
    assert "plugin toy: problem" in upgraded.out
    assert "there_is_no_such_library" in upgraded.out

    went = inside("uninstall", "toy", "--yes")
    assert (went.code, "toy: uninstalled" in went.out) == (0, True), went.err
    assert "There is no plugin 'toy'" in inside("show", "toy").err


@pytest.mark.slow
def test_a_package_that_brings_no_plugin_and_one_that_is_not_there(inside: Callable[..., Ran], tmp_path: Path) -> None:
    broken = tmp_path / "vlmplug_toy-0.1-py3-none-any.whl"
    broken.write_bytes(b"no wheel at all")
    failed = inside("install", broken)
    assert (failed.code, "ended with exit code" in failed.err) == (1, True)
    missing = inside("install", "there-is-no-such-package-as-this")
    assert (missing.code, "ended with exit code" in missing.err) == (1, True)
