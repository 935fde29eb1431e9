"""Loading plugins: once, in a fixed order, never by halves, and each without waiting for another that hangs."""

from __future__ import annotations

import builtins
import importlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.host_maker import HI, WRAPPER, load, with_toy
from tests.plugin_maker import (
    FAMILY,
    MODEL_TYPE,
    TOY_HOOKS,
    manifest,
    packages,
    registry_of,
    toy_manifest,
    write_plugin,
)
from vlmplug.checkpoint import open_source
from vlmplug.conversation import PromptOptions
from vlmplug.errors import PluginLoadError, RegistryError, RequirementError
from vlmplug.hook_call import CURRENT, HookCall
from vlmplug.hooks import HookSpecs, hookspec
from vlmplug.host import PluginHost
from vlmplug.host_options import HostOptions
from vlmplug.plugin_loader import PluginLoader
from vlmplug.registry import Registry

pytestmark = pytest.mark.usefixtures("importable")

SIGNED = WRAPPER.replace(
    "return prompt", "return RenderedPrompt((Text(__name__.partition('_')[0] + ' '), *prompt.segments))"
).replace("from vlmplug.hooks", "from vlmplug.prompt import RenderedPrompt, Text\nfrom vlmplug.hooks")


def family(name: str) -> dict[str, Any]:
    """A manifest with a family and a model type of its own, and with wrappers."""
    return manifest(
        name,
        hooks=f"{name}_plugin.hooks",
        wrappers=True,
        families={name: dict(FAMILY)},
        model_types={f"{name}-1b": {**MODEL_TYPE, "family": name}},
    )


@pytest.mark.parametrize("first", ["one", "two"])
def test_wrappers_nest_in_the_order_of_the_registry_whichever_plugin_is_used_first(
    tmp_path: Path, checkpoint: Path, first: str
) -> None:
    wrapper = SIGNED.replace("def render_prompt", "def sign").replace("=True", "=True, specname='render_prompt'")
    for name in ("one", "two"):
        write_plugin(tmp_path, name, family(name), TOY_HOOKS + wrapper)
    registry = registry_of(tmp_path, packages("one", "two"))
    host = PluginHost(registry)
    host.load_plugin(first)
    model = host.load_model(open_source(registry, f"{first}-1b", checkpoint))
    assert host.render_prompt(model, HI, PromptOptions()).text() == "two one hi"


def test_a_plugin_is_imported_once_however_many_threads_need_it(tmp_path: Path, checkpoint: Path) -> None:
    counted = f"import builtins\nbuiltins.toy_imports = getattr(builtins, 'toy_imports', 0) + 1\n{TOY_HOOKS}"
    write_plugin(tmp_path, "toy", toy_manifest(), counted)
    host = PluginHost(registry_of(tmp_path, packages("toy")))
    threads = [threading.Thread(target=host.load_plugin, args=("toy",)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert vars(builtins).pop("toy_imports") == 1


def test_a_loaded_plugin_says_what_it_implements(tmp_path: Path) -> None:
    host = PluginHost(with_toy(tmp_path, "wrap", WRAPPER, wrappers=True))
    code = host.load_plugin("wrap")
    assert [[hook.hook for hook in part] for part in (code.ordinary, code.wrappers)] == [[], ["render_prompt"]]


def test_a_plugin_that_hangs_delays_only_those_who_need_it(tmp_path: Path, checkpoint: Path) -> None:
    slow = f"import slow_plugin\nslow_plugin.begun.set()\nslow_plugin.go.wait(60)\n{WRAPPER}"
    registry = with_toy(tmp_path, "slow", slow.replace("(wrapper=True)", "").replace("= yield", "= None"))
    package: Any = importlib.import_module("slow_plugin")
    package.begun, package.go = threading.Event(), threading.Event()
    host = PluginHost(registry)
    waiting = threading.Thread(target=host.load_plugin, args=("slow",))
    waiting.start()
    assert package.begun.wait(30)
    assert host.load_model(open_source(registry, "toy-1b", checkpoint)).family == "toy"
    assert waiting.is_alive()
    package.go.set()
    waiting.join()
    assert host.load_plugin("slow").name == "slow"


def test_an_import_that_never_ends(tmp_path: Path, checkpoint: Path) -> None:
    registry = with_toy(tmp_path, "slow", "import threading\nthreading.Event().wait(60)\n")
    host, model = load(registry, checkpoint, options=HostOptions(import_seconds=0.3))
    with pytest.raises(PluginLoadError) as caught:
        host.load_plugin("slow")
    assert caught.value.problem == ("Plugin slow cannot be imported from slow_plugin.hooks: it took longer than 0.3 s.")
    assert "HostOptions(import_seconds=…)" in caught.value.remedy
    assert "--plugin-seconds" in caught.value.remedy
    assert host.render_prompt(model, HI, PromptOptions()).text() == "hi"


def test_the_error_of_a_plugin_does_not_grow(tmp_path: Path) -> None:
    host = PluginHost(with_toy(tmp_path, "bad", "import no_such_module\n"))

    def depth() -> int:
        with pytest.raises(PluginLoadError) as caught:
            host.load_plugin("bad")
        return len(caught.traceback)

    depth()
    assert depth() == depth() == depth()


REQUIRED: dict[str, Any] = {"wrappers": "required"}


@pytest.mark.parametrize(
    ("hooks", "parts", "said"),
    [
        ("import no_such_module\n", {}, "No module named 'no_such_module'"),
        (WRAPPER, {"requires": {"numpy": ">=1000"}}, "needs numpy >=1000"),
        (WRAPPER, {"api": 99}, "is written for hook API 99"),
        (WRAPPER.replace("render_prompt", "rendr_prompt"), {}, "unknown hook 'rendr_prompt'"),
    ],
    ids=["import", "requirement", "api", "unknown hook"],
)
def test_no_hook_is_called_without_wrappers_that_are_required(
    tmp_path: Path, checkpoint: Path, hooks: str, parts: dict[str, Any], said: str
) -> None:
    with pytest.raises(PluginLoadError, match="The wrappers of plugin redact must go around every call") as caught:
        load(with_toy(tmp_path, "redact", hooks, **REQUIRED, **parts), checkpoint)
    assert said in caught.value.problem
    assert caught.value.remedy


def test_required_wrappers_that_work(tmp_path: Path, checkpoint: Path) -> None:
    host, model = load(with_toy(tmp_path, "redact", SIGNED, **REQUIRED), checkpoint)
    assert host.render_prompt(model, HI, PromptOptions()).text() == "redact hi"


def test_required_wrappers_that_are_turned_off(tmp_path: Path, checkpoint: Path) -> None:
    with_toy(tmp_path, "redact", "import no_such_module\n", **REQUIRED)
    off = {"redact": {"package": "redact_plugin", "enabled": False}}
    host, model = load(registry_of(tmp_path, {**packages("toy"), **off}), checkpoint)
    assert host.render_prompt(model, HI, PromptOptions()).text() == "hi"


def test_with_strict_all_wrappers_are_required(tmp_path: Path, checkpoint: Path) -> None:
    registry = with_toy(tmp_path, "metrics", "import no_such_module\n", wrappers=True)
    with pytest.raises(PluginLoadError, match="The wrappers of plugin metrics must go around every call"):
        load(registry, checkpoint, options=HostOptions(strict=True))


def test_wrappers_that_are_left_out_are_reported_once(
    tmp_path: Path, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host, model = load(with_toy(tmp_path, "metrics", "import no_such_module\n", wrappers=True), checkpoint)
    for _ in range(3):
        host.render_prompt(model, HI, PromptOptions())
    assert len([message for message in caplog.messages if "without the wrappers of plugin metrics" in message]) == 1


def test_a_plugin_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"There is no plugin 'tou'\. Did you mean toy\?"):
        PluginHost(with_toy(tmp_path, "wrap", WRAPPER, wrappers=True)).load_plugin("tou")


def test_what_a_plugin_requires_is_checked_before_it_is_imported(tmp_path: Path) -> None:
    registry = with_toy(tmp_path, "new", "raise RuntimeError('imported')\n", requires={"numpy": ">=1000"})
    with pytest.raises(RequirementError, match=r'Plugin new needs numpy >=1000 \(found .*pip install "numpy>=1000"'):
        PluginHost(registry).load_plugin("new")


def test_a_model_type_whose_requirements_are_installed_in_another_version(tmp_path: Path, checkpoint: Path) -> None:
    content = toy_manifest()
    content["model_types"]["toy-1b"]["requires"] = {"numpy": ">=1000"}
    write_plugin(tmp_path, "toy", content, TOY_HOOKS)
    with pytest.raises(RequirementError, match="Model type toy-1b of plugin toy needs numpy >=1000"):
        load(registry_of(tmp_path, packages("toy")), checkpoint)


def test_what_only_the_engine_needs_may_be_missing(tmp_path: Path, checkpoint: Path) -> None:
    content = toy_manifest()
    content["model_types"]["toy-1b"]["requires"] = {"no-such-engine": ">=1"}
    write_plugin(tmp_path, "toy", content, TOY_HOOKS)
    _, model = load(registry_of(tmp_path, packages("toy")), checkpoint)
    assert model.family == "toy"


class LaterSpecs(HookSpecs):
    """Specifications of a later host: ``render_prompt`` has one argument more."""

    @hookspec(firstresult=True)
    def render_prompt(self, model: Any, conversation: Any, options: Any, deadline: Any) -> None: ...


def called(registry: Registry, specs: type, hook: str, **arguments: Any) -> Any:
    """What the plugin ``toy`` answers to a hook of these specifications."""
    caller: Callable[..., Any] | None = PluginLoader(registry, HostOptions(), specs).ready("toy").caller(hook, "toy")
    assert caller is not None
    token = CURRENT.set(HookCall(hook, "toy", lambda results, result: result))
    try:
        return caller(**arguments)
    finally:
        CURRENT.reset(token)


def test_an_argument_that_a_later_host_adds_breaks_no_plugin(tmp_path: Path) -> None:
    registry = with_toy(tmp_path, "wrap", SIGNED, wrappers=True)
    arguments = {"model": None, "conversation": HI, "options": PromptOptions(), "deadline": 3}
    assert called(registry, LaterSpecs, "render_prompt", **arguments).text() == "wrap hi"


def test_a_plugin_for_a_later_host_gets_the_added_argument(tmp_path: Path) -> None:
    hooks = TOY_HOOKS.replace("render_prompt(model, conversation)", "render_prompt(conversation, deadline)")
    hooks = hooks.replace("Text(conversation.turns[0].text)", "Text(str(deadline))")
    write_plugin(tmp_path, "toy", toy_manifest(), hooks)
    registry = registry_of(tmp_path, packages("toy"))
    arguments = {"model": None, "conversation": HI, "options": PromptOptions(), "deadline": 3}
    assert called(registry, LaterSpecs, "render_prompt", **arguments).text() == "3"
    with pytest.raises(PluginLoadError, match="render_prompt takes an argument 'deadline', which the hook does not"):
        PluginHost(registry).load_plugin("toy")
