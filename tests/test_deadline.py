"""Work within a deadline: results, errors and context as if it had been called; and the caller is free in time."""

from __future__ import annotations

import contextvars
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable

import pytest

from vlmplug.deadline import DeadlineError, call_watched, call_within

LIMITS = [None, 30.0]


@pytest.mark.parametrize("seconds", LIMITS)
def test_what_the_work_returns(seconds: float | None) -> None:
    assert call_within(seconds, lambda: 7) == 7


def fail() -> None:
    raise KeyError("inner")


@pytest.mark.parametrize("seconds", LIMITS)
def test_what_the_work_raises_keeps_its_traceback(seconds: float | None) -> None:
    with pytest.raises(KeyError, match="inner") as caught:
        call_within(seconds, fail)
    assert "fail" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_errors_that_are_no_exceptions_pass_too(error: type[BaseException]) -> None:
    def work() -> None:
        raise error

    with pytest.raises(error):
        call_within(30.0, work)


@pytest.mark.parametrize("seconds", LIMITS)
def test_the_work_sees_the_context_of_its_caller(seconds: float | None) -> None:
    variable = contextvars.ContextVar("variable", default="outside")
    token = variable.set("inside")
    try:
        assert call_within(seconds, variable.get) == "inside"
    finally:
        variable.reset(token)


def test_the_caller_is_free_when_the_time_is_over_and_a_late_result_is_dropped() -> None:
    release, ended = threading.Event(), threading.Event()

    def work() -> str:
        release.wait(30)
        ended.set()
        return "late"

    start = time.monotonic()
    with pytest.raises(DeadlineError):
        call_within(0.1, work)
    assert 0.05 < time.monotonic() - start < 5
    release.set()
    assert ended.wait(5)
    assert call_within(30.0, lambda: "next") == "next"


def test_a_deadline_longer_than_one_wait_is_kept() -> None:
    assert call_within(30.0, lambda: time.sleep(1.2) or "done") == "done"


def test_many_threads_get_their_own_results() -> None:
    found: dict[int, int] = {}

    def ask(number: int) -> None:
        for _ in range(50):
            found[number] = call_within(30.0, lambda: number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: number for number in range(24)}


def test_threads_are_kept_but_not_piled_up() -> None:
    call_within(30.0, int)
    before = threading.active_count()
    for _ in range(100):
        call_within(30.0, int)
    assert threading.active_count() <= before + 1


def nested(depth: int) -> int:
    return call_within(30.0, lambda: nested(depth - 1) + 1) if depth else 0


def test_work_may_ask_for_work() -> None:
    assert nested(20) == 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
class TestManyCallsInOneThread:
    def test_none_of_them_changes_threads(self) -> None:
        threads = call_watched(lambda: {call_within(30.0, threading.get_ident) for _ in range(5)})
        assert len(threads) == 1
        assert threading.get_ident() not in threads

    def test_the_caller_is_free_when_one_of_them_does_not_end(self) -> None:
        release = threading.Event()

        def work() -> None:
            call_within(30.0, lambda: None)
            call_within(0.1, lambda: release.wait(30))

        start = time.monotonic()
        with pytest.raises(DeadlineError):
            call_watched(work)
        release.set()
        assert 0.05 < time.monotonic() - start < 5

    def test_together_and_between_they_may_take_longer_than_each(self) -> None:
        def work() -> str:
            for _ in range(4):
                call_within(0.4, lambda: time.sleep(0.15))
                time.sleep(0.15)
            return "done"

        assert call_watched(work) == "done"

    def test_a_call_inside_a_call_has_no_more_time_than_that(self) -> None:
        release = threading.Event()
        with pytest.raises(DeadlineError):
            call_watched(lambda: call_within(0.1, lambda: call_within(30.0, lambda: release.wait(10))))
        release.set()

    def test_what_is_raised_passes(self) -> None:
        with pytest.raises(KeyError, match="inner"):
            call_watched(lambda: call_within(30.0, fail))
        assert call_within(30.0, lambda: call_within(30.0, lambda: "next")) == "next"


def test_a_forked_child_has_threads_of_its_own() -> None:
    program = (
        "import os\nfrom vlmplug.deadline import call_within\ncall_within(30, int)\n"
        "child = os.fork()\n"
        "if child == 0:\n    os._exit(call_within(30, lambda: 42))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert run(program).stdout == "42\n"


def test_work_that_never_ends_does_not_hold_up_the_end_of_the_process() -> None:
    program = (
        "import threading\nfrom vlmplug.deadline import DeadlineError, call_within\n"
        "try:\n    call_within(0.1, threading.Event().wait)\nexcept DeadlineError:\n    print('free')\n"
    )
    assert run(program).stdout == "free\n"


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)


def test_it_costs_little() -> None:
    """The quickest tenth of many calls, because the machine may be busy; it is about 15 microseconds."""

    def cost(call: Callable[[], object]) -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    costs = sorted(cost(lambda: call_within(30.0, int)) for _ in range(501))
    assert costs[50] < 0.0005
