"""The trace: one line for the beginning and one for the end of every import and every call, values in short."""

from __future__ import annotations

import io
import re
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.host_maker import HI, WRAPPER, failing, load, toy, with_toy
from tests.plugin_maker import TOY_HOOKS, manifest, packages, registry_of, toy_manifest, write_plugin
from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.errors import HookFailedError, HookTimeoutError, PluginLoadError
from vlmplug.host_options import HostOptions
from vlmplug.media import Picture
from vlmplug.model import MediaBatch
from vlmplug.registry import Registry
from vlmplug.trace import Tracer

pytestmark = pytest.mark.usefixtures("importable")

TIME = re.compile(r"\d+\.\d{3} ms")


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream: io.StringIO) -> list[str]:
    """What was written since the last time, with ``T`` for times."""
    text = TIME.sub("T", stream.getvalue())
    stream.seek(0)
    stream.truncate()
    return text.splitlines()


def rendered(registry: Registry, checkpoint: Path, stream: io.StringIO, **options: float) -> list[str]:
    """The lines of one call of ``render_prompt``, which may fail."""
    host, model = load(registry, checkpoint, options=HostOptions(tracer=Tracer(stream), **options))
    lines(stream)
    with suppress(HookFailedError, HookTimeoutError):
        host.render_prompt(model, HI, PromptOptions())
    return [re.sub(r"model=FamilyModel\(.*?…", "model=…", line) for line in lines(stream)]


def test_the_import_of_a_plugin_and_its_first_call(tmp_path: Path, checkpoint: Path, stream: io.StringIO) -> None:
    load(toy(tmp_path), checkpoint, options=HostOptions(tracer=Tracer(stream)))
    start, end, call, result = lines(stream)
    assert start == "trace 1: import toy from toy_plugin.hooks"
    assert end == "trace 1: -> inject_vision_tokens, load_model, preprocess_media, render_prompt, T"
    assert call.startswith("trace 2: load_model toy: source=ModelSource(model_type='toy-1b', family='toy', folder='")
    assert call.endswith("…")
    assert result.startswith("trace 2: -> FamilyModel(model_type='toy-1b', family='toy', folder='")
    assert result.endswith("…, T")


def test_a_call_with_its_arguments_and_its_result(tmp_path: Path, checkpoint: Path, stream: io.StringIO) -> None:
    assert rendered(toy(tmp_path), checkpoint, stream) == [
        "trace 3: render_prompt toy: model=…, conversation=Conversation(messages=(Message(role='user', "
        "parts=(TextPart(…)))))",
        "trace 3: -> RenderedPrompt(segments=(Text(text='hi'))), T",
    ]


def test_arrays_and_ids_are_never_written_out(tmp_path: Path, checkpoint: Path, stream: io.StringIO) -> None:
    hooks = TOY_HOOKS.replace("np.zeros((1, 2, 2, 3), np.uint8)", "np.zeros((1, 500, 500, 3), np.uint8)")
    host, model = load(toy(tmp_path, hooks), checkpoint, options=HostOptions(tracer=Tracer(stream)))
    asked = Conversation((user_message("hi", (Picture(Image.new("RGB", (640, 480))),)),))
    prompt = host.render_prompt(model, asked, PromptOptions())
    inputs = host.preprocess_media(model, MediaBatch(asked.media, prompt.items))
    host.inject_vision_tokens(model, prompt, inputs)
    shown = lines(stream)
    batch = "batch=MediaBatch(media=(ImagePart(source=Picture(image=RGB[640x480]))), items=(MediaItem(part=0)))"
    pixels = "pixels=uint8[1, 500, 500, 3], tokens=3, grid=None, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)"
    assert f"trace 4: preprocess_media toy: {batch}" in shown
    assert f"trace 4: -> (MediaInput({pixels})), T" in shown
    assert any("trace 5: -> EngineInput(input_ids=(1, 7, 7, … 1 more), spans=(MediaSpan(" in line for line in shown)
    assert max(map(len, shown)) < 800


def test_wrappers_stand_around_the_owner(tmp_path: Path, checkpoint: Path, stream: io.StringIO) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), TOY_HOOKS)
    write_plugin(tmp_path, "outer", manifest("outer", hooks="outer_plugin.hooks", wrappers=True), WRAPPER)
    inner = WRAPPER.replace("render_prompt(model)", "render_prompt(options)").replace("return prompt", "return RED")
    inner = f"from vlmplug.prompt import RenderedPrompt, Text\nRED = RenderedPrompt((Text('red'),))\n{inner}"
    write_plugin(tmp_path, "inner", manifest("inner", hooks="inner_plugin.hooks", wrappers=True), inner)
    conversation = "conversation=Conversation(messages=(Message(role='user', parts=(TextPart(…)))))"
    assert rendered(registry_of(tmp_path, packages("toy", "inner", "outer")), checkpoint, stream) == [
        "trace 5: render_prompt outer (wrapper): model=…",
        "trace 5:   render_prompt inner (wrapper): options=PromptOptions()",
        f"trace 5:     render_prompt toy: model=…, {conversation}",
        "trace 5:     -> RenderedPrompt(segments=(Text(text='hi'))), T",
        "trace 5:   -> RenderedPrompt(segments=(Text(text='red'))), T",
        "trace 5: -> RenderedPrompt(segments=(Text(text='red'))), T",
    ]


def test_an_error_on_its_way_out(tmp_path: Path, checkpoint: Path, stream: io.StringIO) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), failing("raise OSError('disk full')"))
    write_plugin(tmp_path, "wrap", manifest("wrap", hooks="wrap_plugin.hooks", wrappers=True), WRAPPER)
    error = "!! HookFailedError: render_prompt of plugin toy failed: OSError: disk full."
    shown = rendered(registry_of(tmp_path, packages("toy", "wrap")), checkpoint, stream)
    assert [line for line in shown if "!!" in line] == [
        f"trace 4:   {error} Report it to the plugin's authors., T",
        f"trace 4: {error} Report it to the plugin's authors., T",
    ]


def test_a_hook_that_does_not_return(tmp_path: Path, checkpoint: Path, stream: io.StringIO) -> None:
    registry = toy(tmp_path, failing("import threading; threading.Event().wait(20)"))
    assert rendered(registry, checkpoint, stream, hook_seconds=0.2)[-1] == (
        "trace 3: !! render_prompt of plugin toy did not return within 0.2 s."
    )


def test_an_import_that_fails(tmp_path: Path, checkpoint: Path, stream: io.StringIO) -> None:
    with pytest.raises(PluginLoadError):
        load(toy(tmp_path, "import no_such_module\n"), checkpoint, options=HostOptions(tracer=Tracer(stream)))
    assert lines(stream)[1].startswith(
        "trace 1: !! RequirementError: Plugin toy cannot be imported from toy_plugin.hooks: ModuleNotFoundError: No "
    )


def test_calls_of_several_threads_have_numbers_of_their_own(
    tmp_path: Path, checkpoint: Path, stream: io.StringIO
) -> None:
    registry = with_toy(tmp_path, "wrap", WRAPPER, wrappers=True)
    host, model = load(registry, checkpoint, options=HostOptions(tracer=Tracer(stream)))
    lines(stream)
    threads = [threading.Thread(target=host.render_prompt, args=(model, HI, PromptOptions())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [line.partition(":")[0] for line in lines(stream)]
    assert sorted(numbers) == sorted(f"trace {number}" for number in range(4, 12) for _ in range(4))


def test_tracing_changes_no_result(tmp_path: Path, checkpoint: Path, stream: io.StringIO) -> None:
    registry = with_toy(tmp_path, "wrap", WRAPPER, wrappers=True)
    plain, model = load(registry, checkpoint)
    traced, _ = load(registry, checkpoint, options=HostOptions(tracer=Tracer(stream)))
    assert traced.render_prompt(model, HI, PromptOptions()) == plain.render_prompt(model, HI, PromptOptions())


class Closed(io.StringIO):
    """Nobody reads it any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_where_it_cannot_be_written_only_tracing_ends(tmp_path: Path, checkpoint: Path) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (closed, Closed()):
        host, model = load(toy(tmp_path), checkpoint, options=HostOptions(tracer=Tracer(stream)))
        assert host.render_prompt(model, HI, PromptOptions()).text() == "hi"


def test_characters_that_the_stream_does_not_know_are_escaped() -> None:
    raw = io.BytesIO()
    tracer = Tracer(io.TextIOWrapper(raw, encoding="ascii"))
    tracer.note("图 \ud800")
    assert raw.getvalue() == b"trace 1: \\u56fe \\ud800\n"


def test_nothing_is_traced_without_a_tracer(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host, model = load(toy(tmp_path), checkpoint)
    host.render_prompt(model, HI, PromptOptions())
    assert capsys.readouterr() == ("", "")


def test_values_of_plugins_that_cannot_be_shown_are_no_problem(
    tmp_path: Path, checkpoint: Path, stream: io.StringIO
) -> None:
    hooks = TOY_HOOKS.replace("settings=None", "settings=Shy()").replace(
        "EMPTY =", "class Shy:\n    def __repr__(self):\n        raise RuntimeError\n\nEMPTY ="
    )
    _, model = load(toy(tmp_path, hooks), checkpoint, options=HostOptions(tracer=Tracer(stream)))
    assert type(model.settings).__name__ == "Shy"
    assert len(lines(stream)) == 4
