"""A hook call that goes wrong: the error is typed, names the plugin at fault, and everything else goes on."""

from __future__ import annotations

import importlib
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

from tests.host_maker import HI, WRAPPER, failing, load, toy
from tests.plugin_maker import TOY_HOOKS, manifest, packages, registry_of, toy_manifest, write_plugin
from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.errors import HookFailedError, HookResultError, HookTimeoutError, PlacementError, PluginError
from vlmplug.host_options import HostOptions
from vlmplug.registry import Registry

pytestmark = pytest.mark.usefixtures("importable")

HANG = "import threading; threading.Event().wait(60)"


def wrapped(tmp_path: Path, owner: str, **wrappers: str) -> Registry:
    """The family ``toy`` with these hooks, and plugins that go around it; the last one outermost."""
    write_plugin(tmp_path, "toy", toy_manifest(), owner)
    for name, hooks in wrappers.items():
        write_plugin(tmp_path, name, manifest(name, hooks=f"{name}_plugin.hooks", wrappers=True), hooks)
    return registry_of(tmp_path, packages("toy", *wrappers))


def wrapper(body: str) -> str:
    """A wrapper around ``render_prompt`` with these lines."""
    head, _, _ = WRAPPER.partition("    prompt = yield")
    return head + "".join(f"    {line}\n" for line in body.splitlines())


def rendered(registry: Registry, checkpoint: Path, **options: Any) -> str:
    host, model = load(registry, checkpoint, options=HostOptions(**options))
    return host.render_prompt(model, HI, PromptOptions()).text()


def raised(registry: Registry, checkpoint: Path, **options: Any) -> PluginError:
    with pytest.raises(PluginError) as caught:
        rendered(registry, checkpoint, **options)
    return caught.value


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("raise OSError('disk full')", "OSError: disk full"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit()", "SystemExit"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise StopIteration(1)", "StopIteration: 1"),
        ("raise MemoryError", "MemoryError"),
        ("return render_prompt(model, conversation)", "RecursionError: maximum recursion depth exceeded"),
        ("assert not model, 'no model'", "AssertionError: no model"),
        ("class Shy(Exception):\n        def __str__(self): raise ValueError\n    raise Shy", "Shy"),
        ("raise type('Odd', (BaseException,), {})('odd')", "Odd: odd"),
    ],
)
@pytest.mark.parametrize("seconds", [None, 30.0])
def test_whatever_a_hook_raises_becomes_one_error(
    tmp_path: Path, checkpoint: Path, line: str, said: str, seconds: float | None
) -> None:
    error = raised(toy(tmp_path, failing(line)), checkpoint, hook_seconds=seconds)
    assert isinstance(error, HookFailedError)
    assert error.problem.startswith(f"render_prompt of plugin toy failed: {said}")
    assert error.__cause__ is not None


def test_the_traceback_leads_to_the_plugins_line(tmp_path: Path, checkpoint: Path) -> None:
    error = raised(toy(tmp_path, failing("return {}['missing']")), checkpoint)
    assert isinstance(error.__cause__, KeyError)
    *_, last = traceback.extract_tb(error.__cause__.__traceback__)
    assert (Path(last.filename).name, last.line) == ("hooks.py", "return {}['missing']")


@pytest.mark.parametrize("seconds", [None, 30.0])
def test_an_interrupt_stays_an_interrupt(tmp_path: Path, checkpoint: Path, seconds: float | None) -> None:
    registry = toy(tmp_path, failing("raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        rendered(registry, checkpoint, hook_seconds=seconds)


def test_our_own_errors_pass_through_wrappers_as_they_are(tmp_path: Path, checkpoint: Path) -> None:
    line = "from vlmplug.errors import PlacementError; raise PlacementError('one picture too many')"
    registry = wrapped(tmp_path, failing(line), one=WRAPPER, two=WRAPPER)
    with pytest.raises(PlacementError, match="one picture too many"):
        rendered(registry, checkpoint)


CULPRITS = {
    "the owner": (failing("raise OSError('mine')"), WRAPPER, WRAPPER, "render_prompt of plugin toy failed"),
    "the inner wrapper, before": (TOY_HOOKS, wrapper("raise OSError\nyield"), WRAPPER, "plugin inner failed: OSError"),
    "the inner wrapper, after": (TOY_HOOKS, wrapper("yield\nraise OSError"), WRAPPER, "plugin inner failed: OSError"),
    "the outer wrapper, before": (TOY_HOOKS, WRAPPER, wrapper("raise OSError\nyield"), "plugin outer failed: OSError"),
    "the outer wrapper, after": (TOY_HOOKS, WRAPPER, wrapper("yield\nraise OSError"), "plugin outer failed: OSError"),
    "a wrapper that fails while it handles another's failure": (
        failing("raise OSError('mine')"),
        wrapper("try:\n    yield\nfinally:\n    1 / 0"),
        WRAPPER,
        "plugin inner failed: ZeroDivisionError",
    ),
    "the owner's result": (failing("return 3"), WRAPPER, WRAPPER, "plugin toy returned a wrong result: it is a int"),
    "the inner wrapper's result": (TOY_HOOKS, wrapper("yield"), WRAPPER, "plugin inner returned a wrong result: it is"),
    "the outer wrapper's result": (TOY_HOOKS, WRAPPER, wrapper("yield"), "plugin outer returned a wrong result: it is"),
    "a wrapper that swallows an error": (
        failing("raise OSError('mine')"),
        wrapper("try:\n    yield\nexcept Exception:\n    pass"),
        WRAPPER,
        "plugin inner returned a wrong result: it is None",
    ),
    "a wrapper that does not yield": (
        TOY_HOOKS,
        wrapper("if model is None:\n    yield"),
        WRAPPER,
        "render_prompt of plugin inner is no proper wrapper: it did not yield.",
    ),
    "a wrapper that yields twice": (
        TOY_HOOKS,
        wrapper("yield\nyield"),
        WRAPPER,
        "render_prompt of plugin inner is no proper wrapper: it yielded twice.",
    ),
    "a wrapper that yields again for an error": (
        failing("raise OSError('mine')"),
        wrapper("try:\n    yield\nexcept Exception:\n    yield"),
        WRAPPER,
        "render_prompt of plugin inner is no proper wrapper: it yielded twice.",
    ),
}


@pytest.mark.parametrize(("owner", "inner", "outer", "said"), CULPRITS.values(), ids=CULPRITS)
def test_the_fault_is_laid_at_the_right_door(
    tmp_path: Path, checkpoint: Path, owner: str, inner: str, outer: str, said: str
) -> None:
    assert said in raised(wrapped(tmp_path, owner, inner=inner, outer=outer), checkpoint).problem


HANGING = {
    "the owner": (failing(HANG), WRAPPER, "toy"),
    "a wrapper, before": (TOY_HOOKS, wrapper(f"{HANG}\nyield"), "wrap"),
    "a wrapper, after": (TOY_HOOKS, wrapper(f"result = yield\n{HANG}\nreturn result"), "wrap"),
    "a wrapper that handles an error": (
        failing("raise OSError"),
        wrapper(f"try:\n    yield\nexcept Exception:\n    {HANG}"),
        "wrap",
    ),
}


@pytest.mark.parametrize(("owner", "around", "culprit"), HANGING.values(), ids=HANGING)
def test_a_hook_that_never_returns(tmp_path: Path, checkpoint: Path, owner: str, around: str, culprit: str) -> None:
    start = time.monotonic()
    error = raised(wrapped(tmp_path, owner, wrap=around), checkpoint, hook_seconds=0.3)
    assert isinstance(error, HookTimeoutError)
    assert error.problem == f"render_prompt of plugin {culprit} did not return within 0.3 s."
    assert "HostOptions(hook_seconds=…)" in error.remedy
    assert "--plugin-seconds" in error.remedy
    assert time.monotonic() - start < 10


def test_a_model_that_is_never_loaded(tmp_path: Path, checkpoint: Path) -> None:
    hooks = TOY_HOOKS.replace("    return FamilyModel(", f"    {HANG}\n    return FamilyModel(")
    error = raised(toy(tmp_path, hooks), checkpoint, load_seconds=0.3)
    assert error.problem == "load_model of plugin toy did not return within 0.3 s."
    assert "HostOptions(load_seconds=…)" in error.remedy


def test_a_busy_loop_is_a_hook_that_never_returns(tmp_path: Path, checkpoint: Path) -> None:
    hooks = f"GO_ON = True\n{failing('while GO_ON: pass')}"
    error = raised(toy(tmp_path, hooks), checkpoint, hook_seconds=0.3)
    sys.modules["toy_plugin.hooks"].GO_ON = False  # type: ignore[attr-defined]
    assert isinstance(error, HookTimeoutError)


def test_other_calls_go_on_while_one_hangs(tmp_path: Path, checkpoint: Path) -> None:
    line = f"if conversation.turns[0].text == 'hang': {HANG}"
    head, _, _ = failing("pass").rpartition("    pass\n")
    hooks = f"{head}    {line}\n    return RenderedPrompt((Text('fine'),))\n"
    host, model = load(toy(tmp_path, hooks), checkpoint, options=HostOptions(hook_seconds=1.0))

    def hang() -> None:
        with pytest.raises(HookTimeoutError):
            host.render_prompt(model, Conversation((user_message("hang"),)), PromptOptions())

    hanging = threading.Thread(target=hang)
    hanging.start()
    for _ in range(20):
        assert host.render_prompt(model, HI, PromptOptions()).text() == "fine"
    hanging.join()
    assert host.render_prompt(model, HI, PromptOptions()).text() == "fine"


def test_wrappers_learn_that_a_late_result_was_dropped(tmp_path: Path, checkpoint: Path) -> None:
    """A cache must not keep what nobody got, and what it holds open must be closed."""
    late = failing("import toy_plugin; toy_plugin.go.wait(20); return RenderedPrompt((Text('late'),))")
    watching = wrapper(
        "import toy_plugin\ntry:\n    yield\nexcept Exception as error:\n    toy_plugin.seen(error)\n    raise"
    )
    registry = wrapped(tmp_path, late, wrap=watching)
    seen: list[BaseException] = []
    told = threading.Event()
    package = importlib.import_module("toy_plugin")
    package.go = threading.Event()  # type: ignore[attr-defined]
    package.seen = lambda error: (seen.append(error), told.set())  # type: ignore[attr-defined]
    error = raised(registry, checkpoint, hook_seconds=0.3)
    package.go.set()  # type: ignore[attr-defined]
    assert told.wait(10)
    assert seen == [error]


def test_without_a_deadline_hooks_run_in_the_callers_thread(tmp_path: Path, checkpoint: Path) -> None:
    hooks = failing("import threading; return RenderedPrompt((Text(threading.current_thread().name),))")
    registry = toy(tmp_path, hooks)
    assert rendered(registry, checkpoint, hook_seconds=None) == threading.current_thread().name
    assert rendered(registry, checkpoint) == "vlmplug-hooks"


def test_wrappers_see_valid_results_only(tmp_path: Path, checkpoint: Path) -> None:
    """A wrapper that reads what is not there would be blamed for it."""
    reading = wrapper("prompt = yield\nprompt.segments[0]\nreturn prompt")
    error = raised(wrapped(tmp_path, failing("return None"), wrap=reading), checkpoint)
    assert isinstance(error, HookResultError)
    assert "plugin toy returned a wrong result: it is None; expected a RenderedPrompt" in error.problem
