"""The commands that install and uninstall, for each kind of environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vlmplug.errors import InstallError
from vlmplug.installer import Environment, run_installer


def environment(uv: str | None = None, has_pip: bool = True, marker: Path | None = None) -> Environment:
    return Environment("/env/bin/python", uv, has_pip, marker)


@pytest.mark.parametrize(
    ("where", "install", "uninstall"),
    [
        pytest.param(
            environment(uv="/bin/uv"),
            ["/bin/uv", "pip", "install", "--python", "/env/bin/python", "a>=1", "/b.whl"],
            ["/bin/uv", "pip", "uninstall", "--python", "/env/bin/python", "a"],
            id="uv where it is there",
        ),
        pytest.param(
            environment(),
            ["/env/bin/python", "-m", "pip", "install", "a>=1", "/b.whl"],
            ["/env/bin/python", "-m", "pip", "uninstall", "--yes", "a"],
            id="else pip",
        ),
    ],
)
def test_commands(where: Environment, install: list[str], uninstall: list[str]) -> None:
    installer = where.installer()
    assert installer.install_command(["a>=1", "/b.whl"]) == install
    assert installer.uninstall_command(["a"]) == uninstall


def test_neither_uv_nor_pip() -> None:
    with pytest.raises(InstallError, match="neither uv nor pip") as caught:
        environment(has_pip=False).installer()
    assert "ensurepip" in caught.value.remedy


@pytest.mark.parametrize("uv", [None, "/bin/uv"])
def test_the_systems_own_python_is_left_alone(uv: str | None) -> None:
    marker = Path("/usr/lib/python3/EXTERNALLY-MANAGED")
    with pytest.raises(InstallError, match="EXTERNALLY-MANAGED") as caught:
        environment(uv=uv, marker=marker).installer()
    assert "venv" in caught.value.remedy


def test_the_environment_of_this_process() -> None:
    here = Environment.here()
    assert here.python == sys.executable


def test_a_uv_that_does_not_work_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert Environment.here().uv is None
    uv.write_text("#!/bin/sh\nexit 0\n")
    assert Environment.here().uv == str(uv)


def test_a_system_that_manages_its_packages_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").write_text("[externally-managed]\n")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    assert Environment.here().marker is None  # a virtual environment in it may be changed
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert Environment.here().marker == tmp_path / "EXTERNALLY-MANAGED"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "exit code 3"),
        (["/there/is/no/such/program"], "cannot be started"),
    ],
)
def test_an_installer_that_fails(command: list[str], words: str) -> None:
    with pytest.raises(InstallError, match=words):
        run_installer(command)


def test_an_installer_writes_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    run_installer([sys.executable, "-c", "print('Collecting')"])
    assert capfd.readouterr().out.strip() == "Collecting"
