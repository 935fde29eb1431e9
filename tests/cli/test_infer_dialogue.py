"""``infer`` without a question: with lines from a pipe, and at a real terminal."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run

SECONDS = 120.0
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: What prompt_toolkit writes when it waits: the cursor is shown.
READY = "\x1b[?25h"
COMMAND = [sys.executable, "-m", "vlmplug", "infer", "--device", "cpu"]


def test_lines_from_a_pipe(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lines = f"How many shapes are there? '{EXAMPLES / 'shapes.png'}'\n/nope\nDescribe the image.\nexit\nHello\n"
    command = [*COMMAND, "--output", str(log), "--stream", "false", "--system", "Count.", "--show-media"]
    ran = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=SECONDS, check=False)
    first, second = ran.stdout.splitlines()
    assert first == "There are four shapes."
    assert second.startswith("The image shows four objects")
    assert ran.stderr.splitlines()[0] == "error: There is no command /nope."
    assert ran.returncode == 1  # because of that line
    rows = list(map(json.loads, log.read_text("utf-8").splitlines()))
    assert [row["query"] for row in rows] == ["How many shapes are there?", "Describe the image."]
    assert rows[1]["history"] == [["How many shapes are there?", first]]
    assert [(row["system"], row["images"]) for row in rows] == [("Count.", [str(EXAMPLES / "shapes.png")])] * 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--json",), "--json goes with one question"),
        (("--image", "missing.png"), "--image missing.png"),
        (("--temperature", "9"), "temperature"),
        (("--model", "internvl2-2c"), "Did you mean internvl2-2b"),
        (("--model-type", "internvl2-2b", "--model-id-or-path", "OpenGVLab/InternVL2-8B"), "is internvl2-8b"),
        (("--output", "a", "--result-dir", "b"), "name two places"),
    ],
)
def test_errors_before_a_model_is_loaded(
    words: tuple[str, ...], says: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\n"))
    ran = run("infer", *words)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err


def test_without_any_input_there_is_nobody_to_ask(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    ran = run("infer")
    assert (ran.code, ran.out) == (1, "")
    assert "no standard input" in ran.err


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ((), "Ask: vlmplug infer QUESTION"),
        (("--stop-words", "a", "b"), "Ask: vlmplug infer QUESTION"),
        (("--stop_words", "a", "b", "What is it?"), "If 'What is it?' is the question, write -- in front of it"),
    ],
)
@pytest.mark.parametrize("lines", ["", "\n  \n"])
def test_nothing_was_asked(
    words: tuple[str, ...], fix: str, lines: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    monkeypatch.setattr("vlmplug.cli.infer_dialogue.Session", None)  # nothing is loaded for it
    ran = run("infer", *words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: Nothing was asked: the standard input is empty.\nfix: " + fix)


class Terminal:
    """A program at a pseudo-terminal."""

    def __init__(self, command: list[str], state: Path) -> None:
        import pty

        surroundings = {"XDG_STATE_HOME": str(state), "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm-kitty"}
        self.child, self._master = pty.fork()
        if self.child == 0:
            os.execvpe(command[0], command, {**os.environ, **surroundings})
        self.screen = ""

    def type(self, text: str) -> None:
        """Presses keys."""
        os.write(self._master, text.encode())

    def until(self, text: str) -> str:
        """What is shown up to a text, which is waited for; the rest is kept for the next time."""
        end = time.monotonic() + SECONDS
        while text not in self.screen:
            assert time.monotonic() < end, self.screen
            if select.select([self._master], [], [], 1)[0]:
                self.screen += os.read(self._master, 65536).decode("utf-8", "replace")
        before, _, self.screen = self.screen.partition(text)
        return before

    def code(self) -> int:
        """The exit code, once the program has ended."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            found, status = os.waitpid(self.child, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            if select.select([self._master], [], [], 0.1)[0]:
                try:
                    os.read(self._master, 65536)
                except OSError:  # Linux says so when the other end is closed
                    time.sleep(0.1)
        os.kill(self.child, signal.SIGKILL)
        raise AssertionError("the program did not end")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of Unix")
def test_a_person_at_a_terminal(tmp_path: Path) -> None:
    endless = {"type": "array", "items": {"type": "string"}, "minItems": 2000}
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(endless))
    terminal = Terminal([*COMMAND, "--json-schema", str(schema), "--show-media", "--max-new-tokens", "3500"], tmp_path)
    terminal.until("internvl2-tiny answers")
    terminal.until(READY)
    terminal.type(f"What is it? {EXAMPLES / 'shapes.png'}\r")
    terminal.until("\x1b_Ga=T,f=100")  # the picture, in kitty's protocol
    terminal.until("\x1b\\")
    terminal.until('"')  # the answer begins
    terminal.type("\x03")
    terminal.until("stopped; this turn is forgotten")
    terminal.until(READY)
    terminal.type("\x03")
    terminal.until("Ctrl-D leaves")
    terminal.until(READY)
    terminal.type("/render\r")
    terminal.until("Nothing has been asked yet")
    terminal.until(READY)
    terminal.type("\x1b[A\x1b[A")  # the line before the last one
    terminal.until("shapes.png")
    terminal.type("\x03")
    terminal.until(READY)
    terminal.type("\x04")
    assert terminal.code() == 0
    history = (tmp_path / "vlmplug" / "infer_history").read_text("utf-8")
    assert "/render" in history
