"""Installs and uninstalls plugins in the environment that vlmplug itself runs in, by uv or by pip."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmplug.errors import InstallError

_UV_SECONDS = 60.0


@dataclass(frozen=True)
class Installer:
    """The beginnings of the commands that install and uninstall; what follows are arguments of the program.

    - ``name``: what it is called.
    """

    name: str
    install: tuple[str, ...]
    uninstall: tuple[str, ...]

    def install_command(self, packages: Sequence[str]) -> list[str]:
        """The command that installs packages (PEP 508), files or folders."""
        return [*self.install, *packages]

    def uninstall_command(self, distributions: Sequence[str]) -> list[str]:
        """The command that uninstalls distributions, without asking again."""
        return [*self.uninstall, *distributions]


@dataclass(frozen=True)
class Environment:
    """A Python environment, as far as installing into it goes.

    - ``python``: its interpreter. ``uv``: the program, where it is installed and works with that interpreter.
    - ``has_pip``: whether pip can be imported.
    - ``marker``: the file by which the system says that only its own package manager may install; None: it does not.
    """

    python: str
    uv: str | None
    has_pip: bool
    marker: Path | None

    @classmethod
    def here(cls) -> Environment:
        """The one that this process runs in."""
        return cls(sys.executable, _working_uv(), importlib.util.find_spec("pip") is not None, _marker())

    def installer(self) -> Installer:
        """What installs into it: uv where it is there, else pip.

        :raises InstallError: there is neither, or the environment belongs to the system.
        """
        if self.marker is not None:
            raise InstallError(
                f"This Python belongs to the system, which manages its packages itself ({self.marker}).",
                "Make an environment and install vlmplug there: python -m venv .venv",
            )
        if self.uv is not None:
            return Installer(
                "uv",
                (self.uv, "pip", "install", "--python", self.python),
                (self.uv, "pip", "uninstall", "--python", self.python),
            )
        if self.has_pip:
            pip = (self.python, "-m", "pip")
            return Installer("pip", (*pip, "install"), (*pip, "uninstall", "--yes"))
        raise InstallError(
            f"There is neither uv nor pip to install with for {self.python}.",
            f"Run: {self.python} -m ensurepip, or install uv.",
        )


def run_installer(command: Sequence[str]) -> None:
    """Runs an installing command; it writes to the terminal itself.

    :raises InstallError: it cannot be started or fails.
    """
    try:
        code = subprocess.run(command, check=False).returncode
    except OSError as error:
        raise InstallError(f"{command[0]} cannot be started: {error.strerror}.", "Install it anew.") from error
    if code != 0:
        raise InstallError(f"{Path(command[0]).name} ended with exit code {code}.", "What it wrote above says why.")


def _marker() -> Path | None:
    """PEP 668; inside a virtual environment the marker of its base does not count."""
    marker = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    return marker if sys.prefix == sys.base_prefix and marker.is_file() else None


def _working_uv() -> str | None:
    """uv beside this Python, or on the search path; None where it does not work with this Python."""
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    program = beside or shutil.which("uv")
    if program is None:
        return None
    command = [program, "pip", "list", "--python", sys.executable, "--quiet"]
    try:
        tried = subprocess.run(command, capture_output=True, timeout=_UV_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return program if tried.returncode == 0 else None
