"""Jobs run in threads that nobody has to wait for."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from vlmplug.workers import Workers

NAME = "test-worker"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def gone() -> bool:
    gc.collect()
    end = time.monotonic() + 5
    while threads() and time.monotonic() < end:
        time.sleep(0.01)
    return not threads()


def test_results_and_errors() -> None:
    workers = Workers(2, NAME)
    assert [future.result(5) for future in [workers.submit(lambda value=value: value**2) for value in range(9)]] == [
        value**2 for value in range(9)
    ]
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 / 0).result(5)
    with pytest.raises(SystemExit):
        workers.submit(lambda: exit(3)).result(5)
    assert workers.submit(lambda: "still there").result(5) == "still there"
    assert len(threads()) == 2
    assert all(thread.daemon for thread in threads())


def test_a_job_that_was_cancelled_before_its_turn_never_runs() -> None:
    workers, ran, go = Workers(1, NAME), [], threading.Event()
    busy = workers.submit(lambda: go.wait(5))
    waiting = workers.submit(lambda: ran.append(1))
    assert waiting.cancel()
    go.set()
    busy.result(5)
    workers.submit(lambda: None).result(5)
    assert ran == []


def test_the_threads_end_when_the_workers_are_dropped() -> None:
    assert gone()
    workers = Workers(3, NAME)
    for future in [workers.submit(lambda: None) for _ in range(3)]:
        future.result(5)
    assert len(threads()) == 3
    del workers
    assert gone()


def test_closing_waits_for_the_jobs_and_refuses_more() -> None:
    workers, ran = Workers(1, NAME), []
    for number in range(3):
        workers.submit(lambda number=number: (time.sleep(0.05), ran.append(number)))
    workers.close()
    workers.close()
    assert ran == [0, 1, 2]
    assert gone()
    with pytest.raises(RuntimeError, match="closed"):
        workers.submit(lambda: None)


def test_a_finished_job_is_not_kept() -> None:
    class Picture:
        pass

    workers, picture = Workers(1, NAME), Picture()
    seen = weakref.ref(picture)
    workers.submit(lambda held=picture: held is not None).result(5)
    workers.submit(lambda: None).result(5)
    del picture
    gc.collect()
    assert seen() is None
