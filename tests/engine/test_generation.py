"""What a caller sees of a request under way, however it ends."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from vlmplug.engine.generation import Generation, Step, typed_error
from vlmplug.errors import EngineError, EngineMemoryError, EngineStoppedError


def under_way() -> tuple[Generation, Future[None]]:
    generation, future = Generation(), Future[None]()
    generation.attach(future)
    generation.put(Step((1, 2)))
    return generation, future


def test_steps_until_one_ends_it() -> None:
    generation, _ = under_way()
    last = Step((3,), finish_reason="stop")
    generation.put(last)
    assert list(generation) == [Step((1, 2)), last]


def test_cancelled_by_the_caller() -> None:
    generation, _ = under_way()
    generation.cancel()
    generation.cancel()
    assert [step.finish_reason for step in generation] == [None, "cancelled"]


def test_cancelled_by_the_engine() -> None:
    generation, future = under_way()
    future.cancel()
    with pytest.raises(EngineStoppedError, match="was closed"):
        list(generation)


def test_other_libraries_errors_are_the_cause_of_ours() -> None:
    generation, future = under_way()
    future.set_exception(KeyError("x"))
    with pytest.raises(EngineError, match=r"failed on this request \(KeyError: 'x'\)") as caught:
        list(generation)
    assert isinstance(caught.value.__cause__, KeyError)


def test_ours_stay_as_they_are() -> None:
    error = EngineMemoryError("full")
    assert typed_error(error, "Something failed") is error
