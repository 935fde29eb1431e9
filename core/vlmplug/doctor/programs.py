"""Programs that the doctor asks, each with a deadline: what they do to their own process does not hurt the doctor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

# ``sys.path`` is handed over, so that the child finds what this process finds.
_LAUNCHER = """
import json, runpy, sys
sys.path[:] = json.loads(sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
_SHOWN_OF_ERRORS = 300


@dataclass(frozen=True)
class Ended:
    """How a program ended; ``code`` None: it had to be ended because its time was over."""

    code: int | None
    out: str
    err: str

    def how(self, seconds: float) -> str:
        """In words, for one that did not do what it should."""
        if self.code is None:
            return f"it did not end within {seconds:g} s"
        ending = f"it was killed by signal {-self.code}" if self.code < 0 else f"it ended with exit code {self.code}"
        words = " ".join((self.err or self.out).split())
        return f"{ending}: {words[-_SHOWN_OF_ERRORS:]}" if words else ending


def run_program(command: Sequence[str], seconds: float, stdin: str = "") -> Ended:
    """Runs a program, for ``seconds`` at most, and keeps what it writes.

    :raises OSError: it cannot be started.
    """
    settings: dict[str, Any] = {"text": True, "encoding": "utf-8", "errors": "replace"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings
    ) as process:
        try:
            out, err = process.communicate(stdin, seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return Ended(None, "", "")
        except BaseException:
            process.kill()
            raise
        return Ended(process.returncode, out, err)


def run_module(module: str, seconds: float, question: Any = None) -> Ended:
    """Runs a module of ours with this Python, on a JSON document as its standard input."""
    command = [sys.executable, "-c", _LAUNCHER, json.dumps(sys.path), module]
    return run_program(command, seconds, json.dumps(question))


def private_stdout() -> TextIO:
    """In a child: the standard output for the answer alone; whatever else is printed goes to the standard error."""
    sys.stdout.flush()
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answer
