"""An executor that goes on while the interpreter ends, where Python's own refuses."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from vlmplug.engine.lasting_thread import LastingThread


def test_calls_run_in_one_thread_that_begins_as_told() -> None:
    begun: list[str] = []
    executor = LastingThread("lasting", lambda: begun.append(threading.current_thread().name))
    names = {executor.submit(lambda: threading.current_thread().name).result(5) for _ in range(5)}
    assert names == {"lasting"}
    assert begun == ["lasting"]
    assert executor.submit(divmod, 7, 2).result(5) == (3, 1)
    executor.shutdown()
    assert "lasting" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(RuntimeError):
        executor.submit(print)


def test_an_event_loop_takes_it() -> None:
    async def work() -> str:
        asyncio.get_running_loop().set_default_executor(LastingThread("lasting"))
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    assert asyncio.run(work()) == "lasting"


PROGRAM = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from vlmplug.engine.lasting_thread import LastingThread

executor = {executor}
executor.submit(print, "before").result(5)

def late():
    time.sleep(0.2)
    executor.submit(print, "in a late thread").result(5)

threading.Thread(target=late).start()
atexit.register(lambda: executor.submit(print, "at exit").result(5))
"""


@pytest.mark.parametrize(
    ("executor", "printed"),
    [("LastingThread('lasting')", ["before", "in a late thread", "at exit"]), ("ThreadPoolExecutor(1)", ["before"])],
    ids=["ours", "Python's"],
)
def test_while_the_interpreter_ends(executor: str, printed: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(executor=executor)], capture_output=True, text=True, timeout=60
    )
    assert ended.stdout.splitlines() == printed
    assert ("cannot schedule new futures" in ended.stderr) == (printed == ["before"])
