"""One call of a hook while it is under way: whose code runs now, and what becomes of what it raises or returns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeAlias

from vlmplug.errors import HookFailedError, HookResultError, HookTimeoutError, VlmplugError
from vlmplug.hook_function import HookFunction
from vlmplug.hook_results import HookResults
from vlmplug.short_form import short_error

#: Checks a result with the arguments of its call and returns it.
Check: TypeAlias = Callable[[HookResults, object], object]

_REPORT = "Report it to the plugin's authors."


@dataclass(eq=False)
class HookCall:
    """One call.

    - ``running``: the plugin whose code runs now; the owner before any does.
    - ``expired``: why the result comes too late; None while it is waited for.
    """

    hook: str
    running: str
    check: Check
    expired: HookTimeoutError | None = None

    def checked(self, plugin: str, result: object) -> object:
        """The result of a plugin.

        :raises HookResultError: it is not what the hook promises. :raises HookTimeoutError: it comes too late.
        """
        if self.expired is not None:
            raise self.expired
        return self.check(HookResults(plugin, self.hook), result)


#: The call that is under way here; threads for deadlines take it with them.
CURRENT: ContextVar[HookCall] = ContextVar("vlmplug_hook_call")


def guarded(hook: HookFunction) -> Callable[..., Any]:
    """The same function, for `HookCall`: what it raises names the plugin, what it returns is checked at once.

    So wrappers see valid results and typed errors only, and each fault is laid at the right door.
    """
    return _guarded_wrapper(hook) if hook.wrapper else _guarded_answer(hook)


def _guarded_answer(hook: HookFunction) -> Callable[..., Any]:
    @functools.wraps(hook.function)
    def answer(*values: object) -> object:
        call = CURRENT.get()
        with _Turn(call, hook.plugin):
            result = hook.function(*values)
        return call.checked(hook.plugin, result)

    return answer


def _guarded_wrapper(hook: HookFunction) -> Callable[..., Any]:
    @functools.wraps(hook.function)
    def wrapper(*values: object) -> Generator[None, object, object]:
        call = CURRENT.get()
        steps = _WrapperSteps(call, hook)
        steps.begin(values)
        try:
            inner = yield
        except BaseException as error:  # the wrapper decides what becomes of it
            return call.checked(hook.plugin, steps.fail(error))
        result = steps.finish(inner)
        return inner if result is inner else call.checked(hook.plugin, result)

    return wrapper


class _WrapperSteps:
    """A wrapper's function, which runs up to its ``yield`` and from there to its end."""

    def __init__(self, call: HookCall, hook: HookFunction) -> None:
        self._call, self._hook = call, hook
        self._generator: Generator[None, object, object]

    def begin(self, values: tuple[object, ...]) -> None:
        with _Turn(self._call, self._hook.plugin):
            self._generator = self._hook.function(*values)
            try:
                next(self._generator)
            except StopIteration:
                raise self._error("it did not yield") from None

    def fail(self, error: BaseException) -> object:
        with _Turn(self._call, self._hook.plugin, error):
            return self._end(functools.partial(self._generator.throw, error))

    def finish(self, result: object) -> object:
        with _Turn(self._call, self._hook.plugin):
            return self._end(functools.partial(self._generator.send, result))

    def _end(self, resume: Callable[[], object]) -> object:
        try:
            resume()
        except StopIteration as end:
            return end.value
        self._generator.close()
        raise self._error("it yielded twice")

    def _error(self, problem: str) -> HookResultError:
        return HookResultError(
            f"{self._hook.hook} of plugin {self._hook.plugin} is no proper wrapper: {problem}.",
            "A wrapper yields exactly once and returns the result.",
        )


class _Turn:
    """Code of a plugin runs inside it; what it raises becomes an error of ours, which names the plugin.

    :param given: an error that was handed to the plugin; it passes as it is.
    """

    def __init__(self, call: HookCall, plugin: str, given: BaseException | None = None) -> None:
        self._call, self._plugin, self._given = call, plugin, given
        self._outer = call.running

    def __enter__(self) -> None:
        self._call.running = self._plugin

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._call.running = self._outer
        if error is None or error is self._given or isinstance(error, VlmplugError | KeyboardInterrupt):
            return
        raise HookFailedError(
            f"{self._call.hook} of plugin {self._plugin} failed: {short_error(error)}.", _REPORT
        ) from error
