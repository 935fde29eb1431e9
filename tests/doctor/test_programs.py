"""Programs are run with a deadline, and what they print stays apart from what they answer."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from vlmplug.doctor.programs import run_module, run_program


def test_a_program_that_ends_by_itself() -> None:
    ended = run_program([sys.executable, "-c", "import sys; print(input()); sys.exit(3)"], 30, "word")
    assert (ended.code, ended.out.strip()) == (3, "word")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('no such thing')", "ended with exit code 1: no such thing"),
        ("import sys; sys.exit(9)", "ended with exit code 9"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "killed by signal 15"),
    ],
)
def test_how_a_program_ended_in_words(code: str, words: str) -> None:
    assert words in run_program([sys.executable, "-c", code], 30).how(30)


def test_a_program_that_never_ends_is_ended() -> None:
    begin = time.monotonic()
    ended = run_program([sys.executable, "-c", "import time; time.sleep(600)"], 0.5)
    assert time.monotonic() - begin < 20
    assert ended.code is None
    assert ended.how(0.5) == "it did not end within 0.5 s"


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        run_program(["there-is-no-such-program"], 1)


def test_a_module_finds_what_this_process_finds_and_its_noise_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noisy_answer.py").write_text(
        "import json, os, sys\n"
        "from vlmplug.doctor.programs import private_stdout\n"
        "question = json.load(sys.stdin)\n"
        "with private_stdout() as out:\n"
        "    print('noise')\n"
        "    os.system('echo more noise')\n"
        "    json.dump({'asked': question}, out)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    ended = run_module("noisy_answer", 30, {"number": 7})
    assert (ended.code, ended.out) == (0, '{"asked": {"number": 7}}')
    assert "noise" in ended.err
