"""Sets up `.venv/` in this checkout: the packages of the tree, editable, with the engine and the test tools.

Works with nothing but Python 3.10 or newer, also where Python's own `venv` cannot make environments (Debian without
python3-venv). A stamp remembers what was installed, so that repeating it takes a moment.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
STAMP = VENV / "vlmplug-setup.json"
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
PLUGINS = ("deepseek_vl", "glm4v", "internvl2", "minicpm_v", "qwen_vl", "tiny", "xcomposer2_5")
PACKAGES = (ROOT, *(ROOT / "plugins" / name for name in PLUGINS))

#: What can be run in the environment, by name.
COMMANDS = {"demo": ("examples/demo.py",), "test": ("-m", "pytest", "-n", "2", "--dist", "loadfile")}

#: Newest first; what comes after them is tried last.
PYTHONS = ("python3.13", "python3.12", "python3.11", "python3.10", "python3", "python3.14")
OLDEST = (3, 10)
GIGABYTE = 1_000_000_000


class SetupError(Exception):
    """Set-up cannot go on; the message says why and what to do."""


class Scope(NamedTuple):
    """How much is installed: extras of the package `vlmplug`, and gigabytes to download and on disk."""

    extras: str
    download: float
    disk: float
    contents: str


WHOLE = Scope("engine,test,dev", 4.4, 9.0, "PyTorch with the CUDA libraries, lmdeploy, transformers, test tools")
LIGHT = Scope("test,dev", 0.2, 1.0, "test tools, without the engine")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("then", nargs="?", choices=tuple(COMMANDS), help="what to run in it afterwards")
    parser.add_argument("--without-engine", action="store_true", help="leave lmdeploy, torch and transformers out")
    parser.add_argument("--ignore-disk", action="store_true", help="go on although the disk seems too small")
    options = parser.parse_args()
    scope = LIGHT if options.without_engine else WHOLE
    try:
        if not is_current(scope):
            set_up(scope, options.ignore_disk)
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; repeating goes on where it ended.", file=sys.stderr)
        return 130
    return run_command(options.then) if options.then else 0


def run_command(name: str) -> int:
    """Runs one of the commands in the environment, from the checkout; returns its exit code."""
    try:
        return subprocess.call([str(venv_python()), *COMMANDS[name]], cwd=ROOT)
    except KeyboardInterrupt:
        return 130


def set_up(scope: Scope, ignore_disk: bool) -> None:
    start = time.monotonic()
    python = usable_python()
    say(f"Python: {python}")
    check_disk(scope, ignore_disk)
    # One without pip is what an interruption left.
    if not runs(venv_python(), f"import pip, sys; sys.exit(sys.version_info < {OLDEST})") or moved():
        make_venv(python)
    install(scope)
    STAMP.write_text(json.dumps({"fingerprint": fingerprint(), "extras": scope.extras, "root": str(ROOT)}))
    say(f"done in {time.monotonic() - start:.0f} s")


def is_current(scope: Scope) -> bool:
    """Whether the environment holds at least `scope`, made from the files as they are now."""
    made = stamp()
    if made.get("fingerprint") != fingerprint() or moved() or not venv_python().exists():
        return False
    return set(scope.extras.split(",")) <= set(made.get("extras", "").split(","))


def stamp() -> dict[str, str]:
    try:
        content = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def moved() -> bool:
    """Whether the environment was made elsewhere; its scripts hold absolute paths."""
    return stamp().get("root", str(ROOT)) != str(ROOT)


def fingerprint() -> str:
    files = [CONSTRAINTS, Path(__file__), *(package / "pyproject.toml" for package in PACKAGES)]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def usable_python() -> str:
    """The newest Python that is installed and new enough."""
    for name in PYTHONS:
        path = shutil.which(name)
        if path and runs(path, f"import sys; sys.exit(sys.version_info < {OLDEST})"):
            return path
    if sys.version_info >= OLDEST:
        return sys.executable
    raise SetupError("no Python 3.10 or newer is installed. Install one and repeat.")


def check_disk(scope: Scope, ignore: bool) -> None:
    free = shutil.disk_usage(ROOT).free / GIGABYTE
    say(f"this downloads up to {scope.download:g} GB ({scope.contents}) unless they are cached already,")
    say(f"and needs {scope.disk:g} GB of disk; {free:.1f} GB are free at {ROOT}")
    if free < scope.disk and not ignore:
        raise SetupError(
            f"too little disk: {scope.disk:g} GB are needed at {ROOT}, {free:.1f} GB are free. "
            "Free some, or repeat with --ignore-disk if the downloads are cached on the same disk."
        )


def make_venv(python: str) -> None:
    """Makes `.venv/` in the first way that works."""
    ways: Sequence[tuple[str, Callable[[str], bool]]] = (
        ("python -m venv", by_venv),
        ("uv", by_uv),
        ("virtualenv, through pip", by_pip),
        ("virtualenv, through the pip of the package python3-pip-whl", by_system_package),
    )
    for name, way in ways:
        shutil.rmtree(VENV, ignore_errors=True)
        if way(python) and venv_python().exists():
            say(f"made {VENV} with {name}")
            return
    shutil.rmtree(VENV, ignore_errors=True)
    raise SetupError(
        f"{python} can make no virtual environment: it has neither ensurepip nor pip, and uv is not installed. "
        "Install one of them, for example: apt-get install python3-venv"
    )


def by_venv(python: str) -> bool:
    return runs(python, "import ensurepip, venv") and call(python, "-m", "venv", str(VENV))


def by_uv(python: str) -> bool:
    uv = shutil.which("uv")
    return uv is not None and call(uv, "venv", "--quiet", "--seed", "--python", python, str(VENV))


def by_pip(python: str) -> bool:
    return runs(python, "import pip") and by_virtualenv(python)


def by_system_package(python: str) -> bool:
    """Takes pip out of Debian's package python3-pip-whl, which may be downloaded without being root."""
    folder = CACHE / "pip"
    folder.mkdir(parents=True, exist_ok=True)
    if not call("apt-get", "download", "python3-pip-whl", folder=folder):
        return False
    for package in folder.glob("python3-pip-whl*.deb"):
        call("dpkg-deb", "-x", str(package), str(folder))
    for wheel in folder.glob("usr/share/python-wheels/pip-*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "code")
    return (folder / "code").is_dir() and by_virtualenv(python, folder / "code")


def by_virtualenv(python: str, pip: Path | None = None) -> bool:
    """Makes the environment with the package virtualenv; `pip`: the folder that holds pip, if Python lacks it."""
    folder = CACHE / "virtualenv"
    if not call(python, "-m", "pip", "install", "--quiet", "--target", str(folder), "virtualenv", search=pip):
        return False
    return call(python, "-m", "virtualenv", "--quiet", str(VENV), search=folder)


def install(scope: Scope) -> None:
    """Installs the packages of the tree with uv, which is many times faster, else with pip."""
    wanted = ["--constraint", str(CONSTRAINTS), "--editable", f"{ROOT}[{scope.extras}]"]
    for package in PACKAGES[1:]:
        wanted += ["--editable", str(package)]
    uv = own_uv()
    if uv and call(uv, "pip", "install", "--python", str(venv_python()), *wanted):
        return
    check_index()
    say("installing with pip; this takes several minutes")
    if not call(str(venv_python()), "-m", "pip", "install", *wanted):
        raise SetupError("the installation failed; what pip said stands above. Repeating goes on where it ended.")


def own_uv() -> str | None:
    """uv from inside the environment, put there first where it is missing; else the one on the search path."""
    inside = venv_python().with_name("uv")
    if not inside.exists():
        pip("install", "uv")
    return str(inside) if inside.exists() else shutil.which("uv")


def check_index() -> None:
    """Whether pip can fetch anything at all; its own complaints about that fill a screen."""
    (CACHE / "probe").mkdir(parents=True, exist_ok=True)
    said = pip("download", "--no-deps", "--dest", str(CACHE / "probe"), "packaging").stderr
    shutil.rmtree(CACHE / "probe", ignore_errors=True)
    if "connection broken" in said:
        raise SetupError(
            "no package index can be reached. Check the network connection and the proxy, or name an index "
            "that can be reached in PIP_INDEX_URL, and repeat."
        )


def pip(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs pip without showing what it says, and without waiting long for a network that is not there."""
    patience = ("--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "15")
    return subprocess.run(
        [str(venv_python()), "-m", "pip", command, *patience, *arguments], capture_output=True, text=True, check=False
    )


def venv_python() -> Path:
    return VENV / "bin" / "python"


def runs(python: str | Path, code: str) -> bool:
    """Whether a Python runs this code to its end without complaint."""
    try:
        return subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def call(*command: str, folder: Path = ROOT, search: Path | None = None) -> bool:
    """Runs a command in sight of the user; whether it succeeded."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if search is not None:
        environment["PYTHONPATH"] = str(search)
    try:
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode == 0
    except OSError:
        return False


def say(text: str) -> None:
    print(f"set-up: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
