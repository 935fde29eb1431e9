"""What outcomes come to."""

from __future__ import annotations

import pytest

from vlmplug.bench.closed_loop import Sent
from vlmplug.bench.spread import spread
from vlmplug.bench.summary import Failure, Tokens, summarised
from vlmplug.bench.target import Reply
from vlmplug.errors import ContextLengthError, EngineStoppedError

ANSWERED = [
    Sent(10.0, 12.0, Reply(11.0, 100, 80, 16, 11)),  # a second to the first token, then ten in a second
    Sent(10.0, 14.0, Reply(12.0, 50, 0, 0, 5)),  # two seconds, then four in two
    Sent(12.0, 12.5, Reply(12.5, 7, 0, 0, 1)),  # no second token
]
TOO_LONG = Sent(12.5, 12.6, ContextLengthError("9000 tokens.", "Shorten it."))
LONGER = Sent(12.6, 12.7, ContextLengthError("9001 tokens.", "Shorten it."))
STOPPED = Sent(12.6, 20.0, EngineStoppedError("It ended.", "Ask again."))


def test_the_figures_of_answered_requests() -> None:
    summary = summarised(ANSWERED)
    assert (summary.requests, summary.answered, summary.failed, summary.failures) == (3, 3, 0, ())
    assert summary.seconds == 4.0
    assert summary.tokens == Tokens(prompt=157, media=80, cached=16, generated=17)
    assert summary.first_token == spread([1.0, 2.0, 0.5])
    assert summary.per_token == spread([0.1, 0.5])
    assert summary.whole == spread([2.0, 4.0, 0.5])
    assert summary.per_second(summary.answered) == 0.75


def test_failures_are_counted_by_what_they_say_and_take_time_but_no_part_in_the_figures() -> None:
    summary = summarised([TOO_LONG, *ANSWERED, STOPPED, LONGER])
    assert (summary.requests, summary.answered, summary.failed) == (6, 3, 3)
    assert summary.seconds == 10.0
    assert summary.whole == spread([2.0, 4.0, 0.5])
    assert summary.failures == (
        Failure("ContextLengthError", "9000 tokens. Shorten it.", 2),
        Failure("EngineStoppedError", "It ended. Ask again.", 1),
    )


@pytest.mark.parametrize("ended", [[], [TOO_LONG]], ids=["nothing was sent", "nothing was answered"])
def test_without_answers_there_are_no_figures(ended: list[Sent]) -> None:
    summary = summarised(ended)
    assert (summary.answered, summary.first_token, summary.per_token, summary.whole) == (0, None, None, None)
    assert summary.per_second(0) == 0
    assert summary.tokens == Tokens(0, 0, 0, 0)
