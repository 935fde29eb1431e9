"""The plugin host: owners answer, wrappers go around them, and a plugin that misbehaves harms nobody else."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.host_maker import HI, failing, load, toy, with_toy
from tests.plugin_maker import (
    FAMILY,
    MODEL_TYPE,
    TOY_HOOKS,
    manifest,
    packages,
    registry_of,
    toy_manifest,
    write_plugin,
    write_yaml,
)
from vlmplug.checkpoint import open_source
from vlmplug.conversation import (
    Conversation,
    ImagePart,
    Message,
    PromptOptions,
    TextPart,
    VideoPart,
    assistant_message,
    observation_message,
    system_message,
    user_message,
)
from vlmplug.discovery import RegistrySources
from vlmplug.errors import (
    CheckpointMismatchError,
    ConversationError,
    HookFailedError,
    HookResultError,
    MediaError,
    OptionError,
    PlacementError,
    PluginError,
    PluginLoadError,
)
from vlmplug.host import PluginHost
from vlmplug.media import Picture, open_clip
from vlmplug.model import MediaBatch
from vlmplug.registry import load_registry

pytestmark = pytest.mark.usefixtures("importable")


def test_the_four_hooks_in_a_row(tmp_path: Path, checkpoint: Path) -> None:
    host, model = load(toy(tmp_path), checkpoint)
    picture = Picture(Image.new("RGB", (4, 4)))
    asked = Conversation((user_message("hi", (picture, picture)),))
    prompt = host.render_prompt(model, asked, PromptOptions())
    inputs = host.preprocess_media(model, MediaBatch(asked.media, prompt.items))
    found = host.inject_vision_tokens(model, prompt, inputs)
    assert model.folder == checkpoint.resolve()
    assert prompt.text("#") == "hi##"
    assert found.media_tokens == 6
    assert found.input_ids == (1, *(7,) * 6)


TOOL = {"type": "function", "function": {"name": "add"}}


@pytest.mark.parametrize(
    "messages",
    [
        (system_message("", tools=[TOOL]), user_message("1+2?")),
        (user_message("1+2?"), assistant_message("{}", metadata="add"), user_message("Well?")),
        (user_message("1+2?"), assistant_message("{}"), observation_message("3")),
    ],
    ids=["tools", "metadata", "observation"],
)
def test_tools_are_refused_where_prompts_have_no_words_for_them(
    messages: tuple[Message, ...], tmp_path: Path, checkpoint: Path
) -> None:
    host, model = load(toy(tmp_path), checkpoint)
    asked = Conversation(messages)
    with pytest.raises(ConversationError, match="toy-1b have no words for them"):
        host.render_prompt(model, asked, PromptOptions())
    assert host.render_prompt(replace(model, tool_use=True), asked, PromptOptions()).text() == asked.turns[0].text


def test_nothing_is_imported_before_a_hook_is_called(tmp_path: Path, checkpoint: Path) -> None:
    registry = toy(tmp_path, "raise RuntimeError('imported')\n")
    host = PluginHost(registry)
    assert host.errors == {}
    with pytest.raises(PluginLoadError, match="RuntimeError: imported"):
        load(registry, checkpoint)


OTHER_HOOKS = TOY_HOOKS.replace("Text(conversation.turns[0].text)", 'Text("other")')


def test_only_the_owner_answers(tmp_path: Path, checkpoint: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), TOY_HOOKS)
    other = manifest(
        "other",
        hooks="other_plugin.hooks",
        families={"other": dict(FAMILY)},
        model_types={"other-1b": {**MODEL_TYPE, "family": "other"}},
    )
    write_plugin(tmp_path, "other", other, OTHER_HOOKS)
    registry = registry_of(tmp_path, packages("toy", "other"))
    host = PluginHost(registry)
    models = [host.load_model(open_source(registry, name, checkpoint)) for name in ("toy-1b", "other-1b", "toy-1b")]
    said = [host.render_prompt(model, HI, PromptOptions()).text() for model in models]
    assert said == ["hi", "other", "hi"]


WRAPPER = """
from dataclasses import replace
from vlmplug.hooks import hookimpl
from vlmplug.prompt import RenderedPrompt, Text

@hookimpl(wrapper=True)
def render_prompt(conversation):
    prompt = yield
    return RenderedPrompt((Text("[redacted] "), *prompt.segments))
"""


def test_a_wrapper_of_another_plugin_goes_around_the_owner(tmp_path: Path, checkpoint: Path) -> None:
    host, model = load(with_toy(tmp_path, "wrap", WRAPPER, wrappers=True), checkpoint)
    assert host.render_prompt(model, HI, PromptOptions()).text() == "[redacted] hi"


def test_wrappers_of_several_plugins_nest(tmp_path: Path, checkpoint: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), TOY_HOOKS)
    for name in ("one", "two"):
        content = manifest(name, hooks=f"{name}_plugin.hooks", wrappers=True)
        write_plugin(tmp_path, name, content, WRAPPER.replace("[redacted]", name))
    host, model = load(registry_of(tmp_path, packages("toy", "one", "two")), checkpoint)
    assert host.render_prompt(model, HI, PromptOptions()).text() == "two one hi"


def test_an_ordinary_hook_beside_a_wrapper_stays_its_owners(tmp_path: Path, checkpoint: Path) -> None:
    both = WRAPPER + '\n\n@hookimpl(tryfirst=True)\ndef load_model(source):\n    raise RuntimeError("not mine")\n'
    host, model = load(with_toy(tmp_path, "wrap", both, wrappers=True), checkpoint)
    assert host.render_prompt(model, HI, PromptOptions()).text() == "[redacted] hi"


def test_wrappers_must_be_declared(tmp_path: Path, checkpoint: Path) -> None:
    host = PluginHost(with_toy(tmp_path, "wrap", WRAPPER))
    with pytest.raises(PluginLoadError, match=r"wrappers \(render_prompt\) that its manifest does not declare"):
        host.load_plugin("wrap")


def test_a_wrapper_plugin_that_fails_is_left_out_and_reported(
    tmp_path: Path, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host, model = load(with_toy(tmp_path, "wrap", "import no_such_module\n", wrappers=True), checkpoint)
    assert host.render_prompt(model, HI, PromptOptions()).text() == "hi"
    assert "No module named 'no_such_module'" in str(host.errors["wrap"])
    assert [record.message for record in caplog.records if "without the wrappers of plugin wrap" in record.message]


IMPL = "from vlmplug.hooks import hookimpl\n@hookimpl\n"

UNLOADABLE = {
    "import error": ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
    "syntax error": ("def (\n", "SyntaxError"),
    "exit": ("raise SystemExit(3)\n", "SystemExit: 3"),
    "unknown hook": (IMPL + "def rendr_prompt(model): pass\n", "unknown hook 'rendr_prompt'"),
    "wrong argument": (IMPL + "def render_prompt(modle): pass\n", "modle"),
    "class": ("class hooks: pass\n", "is a class"),
}


@pytest.mark.parametrize(("hooks", "said"), UNLOADABLE.values(), ids=UNLOADABLE)
def test_a_plugin_that_cannot_be_loaded_leaves_nothing_behind(
    tmp_path: Path, checkpoint: Path, hooks: str, said: str
) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), TOY_HOOKS)
    suffix = ":hooks" if "class" in hooks else ""
    write_plugin(tmp_path, "bad", manifest("bad", hooks=f"bad_plugin.hooks{suffix}"), TOY_HOOKS + hooks)
    host, model = load(registry_of(tmp_path, packages("toy", "bad")), checkpoint)
    with pytest.raises(PluginLoadError) as caught:
        host.load_plugin("bad")
    assert "bad" in caught.value.problem
    assert said in caught.value.problem
    with pytest.raises(PluginLoadError) as again:
        host.load_plugin("bad")
    assert again.value is caught.value
    assert host.errors == {"bad": caught.value}
    assert host.render_prompt(model, HI, PromptOptions()).text() == "hi"


def test_a_half_registered_plugin_is_rolled_back(tmp_path: Path, checkpoint: Path) -> None:
    """Its wrapper is valid and is registered before its unknown hook is found; it must not stay."""
    hooks = WRAPPER + "\n\n@hookimpl\ndef no_such_hook(model):\n    pass\n"
    host, model = load(with_toy(tmp_path, "wrap", hooks, wrappers=True), checkpoint)
    assert host.render_prompt(model, HI, PromptOptions()).text() == "hi"
    assert "no_such_hook" in str(host.errors["wrap"])


def test_hooks_of_newer_hosts_may_be_optional(tmp_path: Path, checkpoint: Path) -> None:
    hooks = TOY_HOOKS + "\n@hookimpl(optionalhook=True)\ndef hook_of_the_future(model):\n    pass\n"
    host, model = load(toy(tmp_path, hooks), checkpoint)
    assert host.render_prompt(model, HI, PromptOptions()).text() == "hi"


def test_an_object_can_be_a_plugin_too(tmp_path: Path, checkpoint: Path) -> None:
    body = TOY_HOOKS.partition("@hookimpl")
    methods = ("@hookimpl" + body[2]).replace("def load_model(", "def load_model(self, ")
    for name in ("render_prompt", "preprocess_media", "inject_vision_tokens"):
        methods = methods.replace(f"def {name}(", f"def {name}(self, ")
    hooks = body[0] + "class Toy:\n" + "".join(f"    {line}\n" for line in methods.splitlines()) + "\n\ntoy = Toy()\n"
    content = toy_manifest()
    content["plugin"]["hooks"] = "toy_plugin.hooks:toy"
    write_plugin(tmp_path, "toy", content, hooks)
    host, model = load(registry_of(tmp_path, packages("toy")), checkpoint)
    assert host.render_prompt(model, HI, PromptOptions()).text() == "hi"


def test_an_owner_without_code_is_an_error(tmp_path: Path, checkpoint: Path) -> None:
    content = toy_manifest()
    del content["plugin"]["hooks"]
    write_plugin(tmp_path, "toy", content)
    with pytest.raises(PluginLoadError, match="Plugin toy cannot be used"):
        load(registry_of(tmp_path, packages("toy")), checkpoint)


def test_a_hook_that_is_not_implemented_is_named(tmp_path: Path, checkpoint: Path) -> None:
    host, model = load(toy(tmp_path, TOY_HOOKS.partition("@hookimpl\ndef preprocess_media")[0]), checkpoint)
    with pytest.raises(HookResultError, match="Plugin toy does not implement preprocess_media"):
        host.preprocess_media(model, MediaBatch((), ()))


def test_an_exception_of_a_hook_becomes_a_typed_error_with_its_cause(tmp_path: Path, checkpoint: Path) -> None:
    host, model = load(toy(tmp_path, failing("return {}['missing']")), checkpoint)
    with pytest.raises(HookFailedError, match="render_prompt of plugin toy failed: KeyError: 'missing'") as caught:
        host.render_prompt(model, HI, PromptOptions())
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_typed_error_of_a_hook_passes_as_it_is(tmp_path: Path, checkpoint: Path) -> None:
    line = "from vlmplug.errors import PlacementError; raise PlacementError('one picture too many')"
    host, model = load(toy(tmp_path, failing(line)), checkpoint)
    with pytest.raises(PlacementError, match="one picture too many") as caught:
        host.render_prompt(model, HI, PromptOptions())
    assert not isinstance(caught.value, PluginError)


WRAPPER_FAILURES = {
    "before": "    raise OSError('disk full')\n    yield\n",
    "after": "    yield\n    raise OSError('disk full')\n",
}


@pytest.mark.parametrize("body", WRAPPER_FAILURES.values(), ids=WRAPPER_FAILURES)
def test_the_error_names_the_wrapper_that_failed(tmp_path: Path, checkpoint: Path, body: str) -> None:
    hooks = (
        IMPL.replace("hookimpl\n@hookimpl", "hookimpl\n@hookimpl(wrapper=True)") + f"def render_prompt(model):\n{body}"
    )
    host, model = load(with_toy(tmp_path, "wrap", hooks, wrappers=True), checkpoint)
    with pytest.raises(HookFailedError, match="render_prompt of plugin wrap failed: OSError: disk full"):
        host.render_prompt(model, HI, PromptOptions())


def test_the_error_names_the_owner_that_failed_inside_a_wrapper(tmp_path: Path, checkpoint: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), failing("raise OSError('mine')"))
    write_plugin(tmp_path, "wrap", manifest("wrap", hooks="wrap_plugin.hooks", wrappers=True), WRAPPER)
    host, model = load(registry_of(tmp_path, packages("toy", "wrap")), checkpoint)
    with pytest.raises(HookFailedError, match="render_prompt of plugin toy failed: OSError: mine"):
        host.render_prompt(model, HI, PromptOptions())


def test_a_wrong_result_names_hook_and_the_wrapper_that_returned_it(tmp_path: Path, checkpoint: Path) -> None:
    forgetful = WRAPPER.replace("return RenderedPrompt", "RenderedPrompt")
    host, model = load(with_toy(tmp_path, "wrap", forgetful, wrappers=True), checkpoint)
    with pytest.raises(HookResultError, match=r"render_prompt of plugin wrap returned .* None; expected a Rendered"):
        host.render_prompt(model, HI, PromptOptions())


FAMILY_OPTIONS = {
    "media_options": {
        "max_num": {"type": "integer", "range": [1, 40], "media": ["image"], "help": "Most tiles."},
        "num_segments": {"type": "integer", "range": [1, 512], "default": 8, "media": ["video"], "help": "Frames."},
    }
}


@pytest.mark.parametrize(
    ("request_options", "picture", "clip", "said"),
    [
        ({"max_nun": 3}, {}, {}, "the request: there is no media option 'max_nun'. Did you mean max_num?"),
        ({"max_num": 41}, {}, {}, "the request: max_num is 41. Give a whole number from 1 to 40."),
        ({}, {"max_num": 0}, {}, "picture 2: max_num is 0."),
        ({}, {"num_segments": 8}, {}, "picture 2: num_segments does not apply to one image."),
        ({}, {}, {"num_segments": "8"}, "clip 1: num_segments is '8'."),
    ],
)
def test_media_options_are_checked_before_the_hook(
    tmp_path: Path, checkpoint: Path, request_options: Any, picture: Any, clip: Any, said: str
) -> None:
    host, model = load(toy(tmp_path, failing("raise RuntimeError"), family=FAMILY_OPTIONS), checkpoint)
    frames = open_clip([np.zeros((2, 2, 3), np.uint8)], "clip")
    shown = Picture(Image.new("RGB", (4, 4)))
    parts = (ImagePart(shown), VideoPart(frames, clip), ImagePart(shown, picture), TextPart("hi"))
    with pytest.raises(OptionError) as caught:
        host.render_prompt(model, Conversation((Message("user", parts),)), PromptOptions(media=request_options))
    assert str(caught.value).startswith(said)


def test_valid_media_options_reach_the_hook(tmp_path: Path, checkpoint: Path) -> None:
    hooks = TOY_HOOKS.replace("def render_prompt(model, conversation)", "def render_prompt(conversation, options)")
    hooks = hooks.replace("Text(conversation.turns[0].text)", "Text(repr(dict(options.media)))")
    host, model = load(toy(tmp_path, hooks, family=FAMILY_OPTIONS), checkpoint)
    options = PromptOptions(media={"max_num": 6, "num_segments": 4})
    assert host.render_prompt(model, HI, options).text() == "{'max_num': 6, 'num_segments': 4}"


def test_hosts_share_nothing(tmp_path: Path, checkpoint: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), TOY_HOOKS)
    write_plugin(tmp_path, "wrap", manifest("wrap", hooks="wrap_plugin.hooks", wrappers=True), WRAPPER)
    wrapped, model = load(registry_of(tmp_path, packages("toy", "wrap")), checkpoint)
    plain, _ = load(registry_of(tmp_path, packages("toy")), checkpoint)
    assert wrapped.render_prompt(model, HI, PromptOptions()).text() == "[redacted] hi"
    assert plain.render_prompt(model, HI, PromptOptions()).text() == "hi"


def test_a_host_serves_several_threads(tmp_path: Path, checkpoint: Path) -> None:
    registry = with_toy(tmp_path, "wrap", WRAPPER, wrappers=True)
    host = PluginHost(registry)
    source = open_source(registry, "toy-1b", checkpoint)
    said: list[str] = []

    def ask() -> None:
        said.append(host.render_prompt(host.load_model(source), HI, PromptOptions()).text())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["[redacted] hi"] * 16


def test_a_mismatch_found_by_the_plugin_passes(tmp_path: Path, checkpoint: Path) -> None:
    hooks = "from vlmplug.errors import CheckpointMismatchError\n" + IMPL
    hooks += "def load_model(source):\n    raise CheckpointMismatchError('not mine')\n"
    with pytest.raises(CheckpointMismatchError, match="not mine"):
        load(toy(tmp_path, hooks), checkpoint)


def test_limits_of_the_model_type_hold(tmp_path: Path, checkpoint: Path) -> None:
    toy(tmp_path)
    files = {"plugins": packages("toy"), "model_types": {"toy-1b": {"limits": {"images": 1}}}}
    file = write_yaml(tmp_path / "more.yaml", {"registry": 1, **files})
    host, model = load(load_registry(RegistrySources(None, False, None, (file,))), checkpoint)
    picture = Picture(Image.new("RGB", (4, 4)))
    asked = Conversation((user_message("hi", (picture, picture)),))
    with pytest.raises(MediaError, match="holds 2 pictures; toy-1b takes 1"):
        host.render_prompt(model, asked, PromptOptions())


@pytest.mark.parametrize(("overridden", "expected"), [(16, 16), (10**9, None)])
def test_a_registry_file_can_shorten_the_context(
    tmp_path: Path, checkpoint: Path, overridden: int, expected: int | None
) -> None:
    _, unchanged = load(toy(tmp_path), checkpoint)
    files = {"plugins": packages("toy"), "model_types": {"toy-1b": {"context_length": overridden}}}
    file = write_yaml(tmp_path / "more.yaml", {"registry": 1, **files})
    registry = load_registry(RegistrySources(None, False, None, (file,)))
    model = PluginHost(registry).load_model(open_source(registry, "toy-1b", checkpoint))
    assert model.context_length == (expected or unchanged.context_length)
