"""What the outcomes of a benchmark come to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vlmplug.bench.closed_loop import Sent
from vlmplug.bench.spread import Spread, spread
from vlmplug.bench.target import Reply
from vlmplug.errors import VlmplugError

_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Tokens:
    """Tokens of all answered requests: of prompts, of them media, of them reused; and of answers."""

    prompt: int
    media: int
    cached: int
    generated: int


@dataclass(frozen=True)
class Failure:
    """Requests that failed alike: class of the error, the first message, and how many."""

    error: str
    message: str
    count: int


@dataclass(frozen=True)
class Summary:
    """The figures of one run; all times are seconds.

    - ``seconds``: from sending the first request to the end of the last answer.
    - ``first_token``: from sending a request to its first token (TTFT), waiting and preparing included.
    - ``per_token``: between two tokens of an answer after the first (TPOT), as the mean of each answer.
    - ``whole``: from sending a request to the end of its answer (E2E).

    Only answered requests count in them; each is None where nothing can be said.
    """

    requests: int
    answered: int
    seconds: float
    tokens: Tokens
    first_token: Spread | None
    per_token: Spread | None
    whole: Spread | None
    failures: tuple[Failure, ...]

    @property
    def failed(self) -> int:
        """Requests without an answer."""
        return self.requests - self.answered

    def per_second(self, count: int) -> float:
        """How many of something that all answered requests have together came to a second; 0 where nothing ran."""
        return count / self.seconds if self.seconds > 0 else 0.0


def summarised(ended: Sequence[Sent]) -> Summary:
    """The figures of all outcomes of one run."""
    answered = [(sent, sent.outcome) for sent in ended if isinstance(sent.outcome, Reply)]
    return Summary(
        requests=len(ended),
        answered=len(answered),
        seconds=max(sent.end for sent in ended) - min(sent.begin for sent in ended) if ended else 0.0,
        tokens=_tokens([reply for _, reply in answered]),
        first_token=spread(reply.first_token - sent.begin for sent, reply in answered),
        per_token=spread(
            (sent.end - reply.first_token) / (reply.generated_tokens - 1)
            for sent, reply in answered
            if reply.generated_tokens > 1
        ),
        whole=spread(sent.end - sent.begin for sent, _ in answered),
        failures=tuple(_failures(sent.outcome for sent in ended)),
    )


def _tokens(replies: Sequence[Reply]) -> Tokens:
    return Tokens(
        prompt=sum(reply.prompt_tokens for reply in replies),
        media=sum(reply.media_tokens for reply in replies),
        cached=sum(reply.cached_tokens for reply in replies),
        generated=sum(reply.generated_tokens for reply in replies),
    )


def _failures(outcomes: Iterable[Reply | VlmplugError]) -> list[Failure]:
    """The most frequent first; messages that differ in numbers only count as one, and the first of them is shown."""
    alike: dict[tuple[str, str], list[str]] = {}
    for error in outcomes:
        if isinstance(error, VlmplugError):
            alike.setdefault((type(error).__name__, _NUMBER.sub("0", str(error))), []).append(str(error))
    found = [Failure(error, messages[0], len(messages)) for (error, _), messages in alike.items()]
    return sorted(found, key=lambda failure: -failure.count)
