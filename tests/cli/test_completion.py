"""Real shells complete commands, flags, model types, plugins and files."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from vlmplug.cli.completion import SHELLS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shells of Unix")
SECONDS = 60.0


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with ``vlmplug`` in it, for the search path."""
    file = tmp_path / "bin" / "vlmplug"
    file.parent.mkdir()
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vlmplug "$@"\n')
    file.chmod(0o755)
    return file.parent


def completed(program: Path, line: str) -> list[str]:
    """What the program answers to bash, by bash's own part of the protocol."""
    script = 'eval "$(vlmplug completion bash)"; _python_argcomplete vlmplug; printf "%s\\n" "${COMPREPLY[@]}"'
    environment = {
        **os.environ,
        "PATH": f"{program}{os.pathsep}{os.environ['PATH']}",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
        "COMP_WORDBREAKS": " \t\n\"'><=;|&(:",
    }
    ran = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert ran.stderr == ""
    return [word.strip() for word in ran.stdout.splitlines() if word.strip()]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vlmplug ", {"models", "plugins", "infer", "render", "verify", "completion"}),
        ("vlmplug plug", {"plugins"}),
        ("vlmplug plugins ", {"list", "show", "doctor", "enable", "disable", "install", "uninstall"}),
        ("vlmplug plugins show ", {"internvl2", "tiny"}),
        ("vlmplug plugins doctor in", {"internvl2"}),
        ("vlmplug plugins disable t", {"tiny"}),
        ("vlmplug plugins doctor --o", {"--offline"}),
        ("vlmplug models show internvl2-t", {"internvl2-tiny"}),
        ("vlmplug render --model internvl2-t", {"internvl2-tiny"}),
        ("vlmplug models list --family ", {"internvl2"}),
        ("vlmplug completion ", set(SHELLS)),
        ("vlmplug --color ", {"auto", "always", "never"}),
    ],
)
def test_what_can_follow(line: str, words: set[str], program: Path) -> None:
    assert words <= set(completed(program, line))


@pytest.mark.parametrize("line", ["vlmplug nonsense", "vlmplug plugins show nonsense", "vlmplug infer Wha"])
def test_where_nothing_can_follow(line: str, program: Path) -> None:
    assert completed(program, line) == []


def test_files_and_folders(program: Path, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_text("")
    (tmp_path / "inner").mkdir()
    (tmp_path / ".hidden").write_text("")
    assert completed(program, f"vlmplug render --image {tmp_path}/") == [
        f"{tmp_path}/{name}" for name in ("bin/", "inner/", "one.png")
    ]
    assert completed(program, f"vlmplug render --model-dir {tmp_path}/i") == [f"{tmp_path}/inner/"]
    assert completed(program, f"vlmplug render --image {tmp_path}/.h") == [f"{tmp_path}/.hidden"]
    assert completed(program, f"vlmplug render --image {tmp_path}/none/") == []


def test_registry_files_in_the_line_count(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    file.write_text("registry: 1\nplugins: {of-mine: {package: not_installed}}\n")
    assert "of-mine" in completed(program, f"vlmplug --registry {file} plugins show ")
    file.write_text("registry: nonsense\n")
    assert completed(program, f"vlmplug --registry {file} plugins show ") == []


class Terminal:
    """A shell at a terminal, at which somebody types."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        import pty

        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.execvpe(command[0], command, environment)

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def wait_for(self, words: str) -> None:
        """Until the words are on the screen."""
        shown, end = b"", time.monotonic() + SECONDS
        while words.encode() not in shown:
            readable, _, _ = select.select([self._terminal], [], [], max(0.0, end - time.monotonic()))
            assert readable, f"{words!r} does not come; instead: {shown.decode(errors='replace')}"
            shown += os.read(self._terminal, 65536)

    def close(self) -> None:
        os.close(self._terminal)
        os.waitpid(self._process, 0)


#: How each shell is begun without anybody's own settings, and how it learns to complete.
BEGINNINGS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(vlmplug completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u -D; eval "$(vlmplug completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "vlmplug completion fish | source"),
}


@pytest.fixture(params=SHELLS)
def terminal(request: pytest.FixtureRequest, program: Path, tmp_path: Path) -> Iterator[Terminal]:
    command, beginning = BEGINNINGS[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    environment = {**os.environ, "PATH": f"{program}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    shell = Terminal(command, {**environment, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
    shell.type(f"{beginning}; echo rea''dy\n")
    shell.wait_for("ready")
    yield shell
    shell.type("exit\n")
    shell.close()


@pytest.mark.slow
def test_a_key_completes_a_line_in_a_real_shell(terminal: Terminal) -> None:
    """The line that comes of it is run: only the whole command has this usage."""
    terminal.type("vlmplug plugins unin\t")
    terminal.wait_for("uninstall")
    terminal.type("\n")
    terminal.wait_for("See `vlmplug plugins uninstall --help`")
    terminal.type("vlmplug models show internvl2-ti\t")
    terminal.wait_for("internvl2-tiny")
    terminal.type("--json\n")
    terminal.wait_for('"model_type": "internvl2-tiny"')


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_name_the_program(shell: str, run: Run) -> None:
    ran = run("completion", shell)
    assert ran.code == 0
    assert "vlmplug" in ran.out and "_ARGCOMPLETE" in ran.out


def test_an_unknown_shell(run: Run) -> None:
    ran = run("completion", "tcsh")
    assert (ran.code, "bash" in ran.err) == (2, True)
