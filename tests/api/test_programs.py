"""Whole programs, as people write them: with and without a main guard, with threads, ending in the middle of things."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.api.conftest import SHAPES

LOAD = """
import vlmplug
model = vlmplug.load("internvl2-tiny", engine=vlmplug.EngineOptions(device="cpu", threads=1))
LONG = vlmplug.Sampling(max_new_tokens=3000, ignore_stop=True)
"""


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "program.py"
    file.write_text(program)
    command = [sys.executable, "-W", "error::RuntimeWarning", str(file), str(SHAPES)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


OPEN = """
import asyncio, threading, time

stream = model.stream("Hello", sampling=LONG)
next(stream)

schema = {"type": "array", "items": {"type": "string"}, "minItems": 1000}
guided = model.stream("Hello", sampling=vlmplug.Sampling(max_new_tokens=3000, json_schema=schema))
next(guided)

loop = asyncio.new_event_loop()
other = model.astream("Hello", sampling=LONG)
loop.run_until_complete(anext(other))

def ask():
    for delta in model.stream("Hello", sampling=LONG):
        began.set()

began = threading.Event()
threading.Thread(target=ask, daemon=True).start()
began.wait()
print(time.time())
"""


@pytest.mark.slow
def test_a_program_that_ends_with_streams_open_ends_silently_and_quickly(tmp_path: Path) -> None:
    ended = run(LOAD + OPEN, tmp_path)
    # Taking PyTorch down takes a second or two by itself.
    assert time.time() - float(ended.stdout) < 10
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.slow
def test_an_error_with_a_stream_open_is_the_programs_own(tmp_path: Path) -> None:
    ended = run(f"{LOAD}stream = model.stream('Hello', sampling=LONG); next(stream)\nraise KeyError('mine')", tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1] == "KeyError: 'mine'"
    assert ended.stderr.count("Traceback") == 1
    assert "lmdeploy" not in ended.stderr


GUARDED = f"""
import sys, threading, time

def ask(model):
    time.sleep(0.5)
    print(model.generate("How many shapes are there?", images=sys.argv[1]))

def main():
{"".join(f"    {line}" for line in LOAD.strip().splitlines(keepends=True))}
    threading.Thread(target=ask, args=(model,)).start()

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
def test_threads_of_a_guarded_program_go_on_after_its_main_one(tmp_path: Path) -> None:
    ended = run(GUARDED, tmp_path)
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "There are four shapes.\n")
