"""A trace of what plugins do: every import, and every call of a hook with its arguments, result and time, in short."""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TextIO

from vlmplug.hook_function import HookFunction
from vlmplug.short_form import short, short_error

#: Characters of one argument, and of a result.
_ARGUMENT, _RESULT = 120, 240


@dataclass(frozen=True)
class _Place:
    """Where a line belongs: to which call, and how deep inside it."""

    call: int
    depth: int = 0


_PLACE: ContextVar[_Place | None] = ContextVar("vlmplug_trace_place", default=None)


@dataclass
class Span:
    """Something that takes time. ``said``: what came of it, set before it ends."""

    said: str = ""


class Tracer:
    """Writes lines such as these; usable from several threads, whose calls have numbers of their own::

        trace 2: render_prompt toy: conversation=Conversation(…), options=PromptOptions(…)
        trace 2: -> RenderedPrompt(segments=(Text(text='hi', parse_special_tokens=False))), 0.021 ms

    Arrays are shown as dtype and shape, ids as the first few and their count, texts cut. A wrapper stands outside of
    what it goes around, which is indented. Where an error leaves a hook, it stands behind ``!!``.

    :param stream: such as ``sys.stderr``; where it cannot be written to, tracing ends and nothing else does.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    @contextmanager
    def numbered(self) -> Iterator[None]:
        """What is traced inside it belongs to one call; the outermost one counts."""
        token = _PLACE.set(_PLACE.get() or _Place(next(self._numbers)))
        try:
            yield
        finally:
            _PLACE.reset(token)

    @contextmanager
    def span(self, title: str) -> Iterator[Span]:
        """A line for the beginning and one for the end, with what came of it and how long it took."""
        with self.numbered():
            place = _PLACE.get() or _Place(0)
            self._write(place, title)
            token = _PLACE.set(_Place(place.call, place.depth + 1))
            span, start = Span(), time.perf_counter()
            try:
                yield span
            except BaseException as error:
                span.said = f"!! {short_error(error)}"
                raise
            finally:
                _PLACE.reset(token)
                self._write(place, f"{span.said}, {1000 * (time.perf_counter() - start):.3f} ms")

    def note(self, text: str) -> None:
        """One line, inside of whatever is under way."""
        self._write(_PLACE.get() or _Place(next(self._numbers)), text)

    def traced(self, hook: HookFunction) -> Callable[..., Any]:
        """The same function, with a span around each call."""
        return self._traced_wrapper(hook) if hook.wrapper else self._traced_answer(hook)

    def _traced_answer(self, hook: HookFunction) -> Callable[..., Any]:
        @functools.wraps(hook.function)
        def answer(*values: object) -> object:
            with self.span(_title(hook, values)) as span:
                result: object = hook.function(*values)
                span.said = f"-> {short(result, _RESULT)}"
            return result

        return answer

    def _traced_wrapper(self, hook: HookFunction) -> Callable[..., Any]:
        @functools.wraps(hook.function)
        def wrapper(*values: object) -> Generator[None, object, object]:
            with self.span(_title(hook, values)) as span:
                result: object = yield from hook.function(*values)
                span.said = f"-> {short(result, _RESULT)}"
            return result

        return wrapper

    def _write(self, place: _Place, text: str) -> None:
        stream = self._stream
        if stream is None:
            return
        line = f"trace {place.call}: {'  ' * place.depth}{text}\n"
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            with self._lock:
                stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
                stream.flush()
        except (OSError, ValueError):  # closed, or nobody reads it any more
            self._stream = None


def _title(hook: HookFunction, values: tuple[object, ...]) -> str:
    given = zip(hook.arguments, values, strict=True)
    arguments = ", ".join(f"{name}={short(value, _ARGUMENT)}" for name, value in given)
    return f"{hook.hook} {hook.plugin}{' (wrapper)' if hook.wrapper else ''}: {arguments}"
