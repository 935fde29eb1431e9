"""Deprecated hooks and arguments: one warning a process and plugin, with the plugin's name and the fix."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
from types import SimpleNamespace
from typing import Any

import pytest

from vlmplug.deprecation import warn_deprecated
from vlmplug.errors import PluginLoadError
from vlmplug.hook_function import HookFunction, hook_functions
from vlmplug.hook_table import HookDeprecationWarning, HookManager, hook_table
from vlmplug.hooks import HookSpecs, hookimpl, hookspec


class LaterSpecs:
    """Specifications of a later host, which has deprecated one argument and one hook."""

    @hookspec(
        firstresult=True, warn_on_impl_args={"options": HookDeprecationWarning("Take `request` instead (API 3).")}
    )
    def render_prompt(self, model: Any, conversation: Any, options: Any, request: Any) -> None: ...

    @hookspec(firstresult=True, warn_on_impl=HookDeprecationWarning("Implement prepare_media instead (API 3)."))
    def preprocess_media(self, model: Any, batch: Any) -> None: ...


TABLE = hook_table(LaterSpecs)
NUMBERS = itertools.count()


@hookimpl
def render_prompt(conversation: Any, options: Any) -> None: ...


@hookimpl(specname="render_prompt")
def render_as_now(conversation: Any, request: Any) -> None: ...


@hookimpl
def preprocess_media(batch: Any) -> None: ...


def functions(*hooks: Any, plugin: str = "") -> tuple[HookFunction, ...]:
    """The hooks of a plugin that no test has used yet, or of the one with that name."""
    source = SimpleNamespace(**{hook.__name__: hook for hook in hooks})
    return hook_functions(plugin or f"old-{next(NUMBERS)}", source, TABLE)


def said(*hooks: Any, plugin: str = "") -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_deprecated(functions(*hooks, plugin=plugin), TABLE)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (
            render_prompt,
            "Plugin old-a implements the hook render_prompt with the argument 'options', which is deprecated."
            " Take `request` instead (API 3).",
        ),
        (
            preprocess_media,
            "Plugin old-b implements the hook preprocess_media, which is deprecated."
            " Implement prepare_media instead (API 3).",
        ),
    ],
)
def test_the_warning_names_plugin_hook_and_fix_once(hook: Any, message: str) -> None:
    name = message.split()[1]
    assert said(hook, plugin=name) == [message]
    assert said(hook, plugin=name) == []


def test_each_plugin_is_told() -> None:
    assert len(said(render_prompt) + said(render_prompt)) == 2


def test_everything_that_is_deprecated_is_told() -> None:
    assert len(said(render_prompt, preprocess_media)) == 2


def test_what_is_not_deprecated_is_not_warned_of() -> None:
    assert said(render_as_now) == []


def test_the_warning_points_to_the_plugin() -> None:
    with pytest.warns(HookDeprecationWarning) as caught:
        warn_deprecated(functions(render_prompt), TABLE)
    (warning,) = caught
    assert (warning.filename, warning.lineno) == (__file__, render_prompt.__code__.co_firstlineno)


def test_a_process_whose_warnings_are_errors_does_not_load_the_plugin() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hooks = functions(render_prompt)
        for _ in range(2):
            with pytest.raises(PluginLoadError, match=r"Plugin old-\d+ implements the hook render_prompt with"):
                warn_deprecated(hooks, TABLE)


def test_users_see_it_without_asking_for_warnings() -> None:
    program = "import warnings; from vlmplug.hook_table import HookDeprecationWarning as W; warnings.warn(W('fix it'))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "HookDeprecationWarning: fix it" in ran.stderr


def test_the_manager_itself_repeats_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        HookManager(LaterSpecs).register(SimpleNamespace(render_prompt=render_prompt), "old")


def test_nothing_of_this_host_is_deprecated() -> None:
    """What is deprecated belongs into the table of docs/hooks.md and into the changelog."""
    table = hook_table(HookSpecs)
    assert [entry.name for entry in table.values() if entry.deprecated or entry.deprecated_arguments] == []
