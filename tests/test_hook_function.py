"""Functions that say that they are hooks: which are, and what is wrong with the others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from vlmplug.errors import PluginLoadError
from vlmplug.hook_function import hook_functions
from vlmplug.hook_table import hook_table
from vlmplug.hooks import HookSpecs, hookimpl, hookspec

TABLE = hook_table(HookSpecs)


def read(**functions: Any) -> list[tuple[str, tuple[str, ...], bool]]:
    found = hook_functions("toy", SimpleNamespace(**functions), TABLE)
    return [(hook.hook, hook.arguments, hook.wrapper) for hook in found]


@hookimpl
def render_prompt(model: Any, conversation: Any, options: Any) -> None: ...


@hookimpl
def of_some_arguments(options: Any, model: Any) -> None: ...


@hookimpl(specname="render_prompt")
def named_otherwise(conversation: Any) -> None: ...


@hookimpl(wrapper=True)
def around(model: Any) -> Iterator[None]:
    yield


@hookimpl
def with_a_default_of_its_own(model: Any, cache: Any = None) -> None: ...


@hookimpl
def by_position_only(model: Any, /) -> None: ...


@hookimpl(optionalhook=True)
def hook_of_the_future(anything: Any) -> None: ...


def noted(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    return call


@pytest.mark.parametrize(
    ("functions", "found"),
    [
        ({"render_prompt": render_prompt}, [("render_prompt", ("model", "conversation", "options"), False)]),
        ({"render_prompt": of_some_arguments}, [("render_prompt", ("options", "model"), False)]),
        ({"anything": named_otherwise}, [("render_prompt", ("conversation",), False)]),
        ({"load_model": hookimpl(lambda: None)}, [("load_model", (), False)]),
        ({"render_prompt": around}, [("render_prompt", ("model",), True)]),
        ({"render_prompt": with_a_default_of_its_own}, [("render_prompt", ("model",), False)]),
        ({"render_prompt": by_position_only}, [("render_prompt", ("model",), False)]),
        ({"render_prompt": noted(by_position_only)}, [("render_prompt", ("model",), False)]),
        (
            {"render_prompt": render_prompt, "other": print, "number": 3},
            [("render_prompt", ("model", "conversation", "options"), False)],
        ),
        (
            {"render_prompt": around, "wrapped": named_otherwise},
            [("render_prompt", ("model",), True), ("render_prompt", ("conversation",), False)],
        ),
        (
            {"render_prompt": by_position_only, "hook_of_the_future": hook_of_the_future},
            [("render_prompt", ("model",), False)],
        ),
    ],
)
def test_hooks(functions: dict[str, Any], found: list[Any]) -> None:
    assert read(**functions) == found


class Family:
    @hookimpl
    def load_model(self, source: Any) -> None: ...

    @staticmethod
    @hookimpl
    def render_prompt(model: Any) -> None: ...


def test_methods_of_an_object() -> None:
    found = hook_functions("toy", Family(), TABLE)
    expected = [("load_model", ("source",)), ("render_prompt", ("model",))]
    assert [(hook.hook, hook.arguments) for hook in found] == expected


@hookimpl
def misspelt(modle: Any) -> None: ...


@hookimpl
def gathering(*arguments: Any) -> None: ...


@hookimpl
def gathering_named(model: Any, **rest: Any) -> None: ...


@hookimpl
def with_a_default(model: Any = None) -> None: ...


@hookimpl
def by_name_only(*, model: Any) -> None: ...


@hookimpl
def unmarked_wrapper(model: Any) -> Iterator[None]:
    yield


@hookimpl(wrapper=True)
def wrapper_without_yield(model: Any) -> None: ...


@hookimpl(hookwrapper=True)
def old_wrapper(model: Any) -> Iterator[None]:
    yield


@hookimpl
async def asynchronous(model: Any) -> None: ...


@pytest.mark.parametrize(
    ("functions", "problem", "remedy"),
    [
        ({}, "Plugin toy has no hooks: nothing in", "Mark its functions"),
        ({"render_prompt": print}, "Plugin toy has no hooks", "name an object as `hooks: package.module:object`"),
        ({"rendr_prompt": by_position_only}, "has an unknown hook 'rendr_prompt'.", "Did you mean render_pr"),
        ({"preprocess": by_position_only}, "unknown hook 'preprocess'", "Did you mean preprocess_media?"),
        ({"x" * 30: by_position_only}, "unknown hook 'xxx", "Valid: inject_vision_tokens, load_model,"),
        ({"render_prompt": misspelt}, "render_prompt takes an argument 'modle', which the hook", "Did you mean model?"),
        ({"load_model": render_prompt}, "load_model takes an argument 'model', which the", "Valid: source"),
        ({"render_prompt": gathering}, "takes *arguments, which stays empty", "Name the arguments"),
        ({"render_prompt": gathering_named}, "takes **rest, which stays empty", "Name the arguments"),
        ({"render_prompt": with_a_default}, "takes model=None in a way", "take away its default"),
        ({"render_prompt": by_name_only}, "takes model in a way", "any `*` in front of it"),
        ({"render_prompt": unmarked_wrapper}, "yields, but is not marked as a wrapper", "@hookimpl(wrapper=True)"),
        ({"render_prompt": wrapper_without_yield}, "is marked as a wrapper, but does not yield", "result = yield"),
        ({"render_prompt": old_wrapper}, "is an old-style wrapper", "@hookimpl(wrapper=True)"),
        ({"render_prompt": asynchronous}, "is asynchronous", "instead of `async def`"),
        (
            {"render_prompt": render_prompt, "again": named_otherwise},
            "Plugin toy implements render_prompt twice.",
            "Keep one",
        ),
    ],
)
def test_what_is_no_hook(functions: dict[str, Any], problem: str, remedy: str) -> None:
    with pytest.raises(PluginLoadError) as caught:
        read(**functions)
    assert "Plugin toy" in caught.value.problem
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


class LaterSpecs(HookSpecs):
    """Specifications of a later host: one argument more."""

    @hookspec(firstresult=True)
    def render_prompt(self, model: Any, conversation: Any, options: Any, deadline: Any) -> None: ...


def test_an_added_argument_changes_nothing_for_plugins_that_do_not_know_it() -> None:
    source = SimpleNamespace(render_prompt=render_prompt)
    assert hook_functions("toy", source, hook_table(LaterSpecs)) == hook_functions("toy", source, TABLE)
