"""What the pages say is so: their snippets run, their flags exist, their documents have the keys that are printed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ran
from vlmplug.cli import cache, main, models, plugins
from vlmplug.cli.commands import COMMANDS
from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.discovery import RegistrySources
from vlmplug.host import PluginHost
from vlmplug.pipeline import Preparer, Request, open_preparer
from vlmplug.registry import Registry, load_registry

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "plugins").glob("*/README.md"))]
#: A block of code: what it is written in, and its text.
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: A file in a page: its name in a line of its own, and the block behind it.
FILE = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text("utf-8")) if found == language]


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every call of vlmplug in a page."""
    for block in (*blocks(page, "sh"), *blocks(page, "console")):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True) if "vlmplug " in line else []
            if words[:1] == ["vlmplug"]:
                yield words[1:]


def printed(page: Path) -> list[tuple[list[str], str]]:
    """Each call in a page whose output is shown, and that output."""
    shown = [block.partition("\n") for block in blocks(page, "console")]
    return [(shlex.split(call.removeprefix("$ vlmplug ")), output) for call, _, output in shown]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    capsys.readouterr()
    code = main(arguments)
    return Ran(code, *capsys.readouterr())


#: Commands that have actions.
ACTIONS = {"cache": cache, "models": models, "plugins": plugins}
#: Names of commands and of their actions.
WORDS = {entry.name for part in (COMMANDS, cache.ACTIONS, models.ACTIONS, plugins.ACTIONS) for entry in part}
CALLS = [pytest.param(call, id=f"{page.parent.name}: {' '.join(call)}") for page in PAGES for call in commands(page)]


def test_there_are_calls_to_try() -> None:
    assert len(CALLS) > 25


@pytest.mark.parametrize("call", CALLS)
def test_every_command_and_flag_exists(call: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in call if word in WORDS]
    top, known = run(capsys, "--help"), run(capsys, *words, "--help")
    assert known.code == 0, known.err
    for flag in (word.partition("=")[0] for word in call if word.startswith("--")):
        assert f"{flag} " in known.out + top.out or f"{flag}\n" in known.out + top.out


@pytest.fixture(scope="module")
def helps() -> str:
    """What the program and all its commands say about themselves."""
    own = [(entry.name,) for entry in COMMANDS if entry.name not in ACTIONS]
    own += [(name, entry.name) for name, module in ACTIONS.items() for entry in module.ACTIONS]
    said = StringIO()
    with redirect_stdout(said):
        for names in ((), *own):
            main([*names, "--help"])
    return said.getvalue()


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"`(--[a-z-]+)", (ROOT / "docs/commands.md").read_text()))))
def test_flags_of_the_reference_exist(flag: str, helps: str) -> None:
    assert re.search(rf"{flag}\b", helps)


@pytest.mark.parametrize("command", ["infer", "bench", "verify"])
def test_the_reference_names_every_flag(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs/commands.md").read_text("utf-8")
    flags = set(re.findall(r"--[a-z][a-z-]*", run(capsys, command, "--help").out)) - {"--help"}
    assert not [flag for flag in flags if f"`{flag}`" not in page]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    links = LINK.findall(page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


#: Keys of objects that differ from machine to machine, or with what happened or was asked.
OPEN = ("counts", "gpus")


def keys(value: Any) -> Any:
    """The form of a document: keys of objects, and the form of a list's first entry."""
    if isinstance(value, dict):
        return {key: keys(part) for key, part in value.items() if key not in OPEN}
    if isinstance(value, list):
        return [keys(value[0])] if value else []
    return "value"


DOCUMENTS = [(call, text) for call, text in printed(ROOT / "docs/commands.md") if "--json" in call]


def test_every_command_that_prints_a_document_shows_one() -> None:
    assert {call[0] for call, _ in DOCUMENTS} == {"cache", "models", "plugins", "infer", "bench", "render", "verify"}


@pytest.mark.parametrize(("call", "text"), DOCUMENTS, ids=lambda part: " ".join(part) if isinstance(part, list) else "")
def test_documents_have_the_keys_that_the_page_shows(
    call: list[str], text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    for variable in ("XDG_CONFIG_HOME", "APPDATA"):  # some commands write there
        monkeypatch.setenv(variable, str(tmp_path))
    ran = run(capsys, *call)
    assert ran.code == 0
    assert keys(json.loads(text)) == keys(ran.json)


@pytest.mark.parametrize(
    ("call", "text"), printed(ROOT / "README.md"), ids=lambda part: part[0] if isinstance(part, list) else ""
)
def test_the_readme_shows_what_is_printed(
    call: list[str], text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert run(capsys, *call).out == text


def test_the_python_of_the_readme_prints_what_it_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"```python\n(.*?)```\n\n```\n(.*?)\n```", page, re.DOTALL)
    assert found is not None
    monkeypatch.chdir(ROOT)
    exec(compile(found[1], "README.md", "exec", dont_inherit=True), {})
    assert capsys.readouterr().out == found[2]


def test_the_manifest_of_the_readme_is_a_plugin(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "README.md", "yaml")
    (tmp_path / "manifest.yaml").write_text(text)
    file = tmp_path / "registry.yaml"
    file.write_text("registry: 1\nplugins: {mine: {manifest: manifest.yaml}}\n")
    registry = load_registry(RegistrySources(None, True, None, (file,)))
    assert (registry.plugins["mine"].error, registry.model_type("mine-2b").family) == (None, "internvl2")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of docs/plugins.md, with the tokenizer of a reference checkpoint and a picture."""
    folder = tmp_path_factory.mktemp("example")
    for name, text in FILE.findall((ROOT / "docs/plugins.md").read_text("utf-8")):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(ROOT / "tests/golden/internvl2/tiny_qwen2" / name, folder / "checkpoint" / name)
    shutil.copyfile(ROOT / "examples/shapes.png", folder / "cat.png")
    return folder


@pytest.fixture
def example_registry(example: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.syspath_prepend(str(example))
    return load_registry(RegistrySources(None, False, None, (example / "registry.yaml",)))


@pytest.fixture
def preparer(example: Path, example_registry: Registry) -> Preparer:
    return open_preparer("patchwork-tiny", example / "checkpoint", example_registry)


def request(example: Path, text: str, pictures: int) -> Request:
    conversation = Conversation((user_message(text, (example / "cat.png",) * pictures),))
    return Request(conversation, PromptOptions(placement="beside"))


def test_the_example_family_renders(preparer: Preparer, example: Path) -> None:
    prepared = preparer.prepare(request(example, "See <image>.", 1))
    expected = "<|im_start|>user\nSee <image>.<|im_end|>\n<|im_start|>assistant\n"
    assert prepared.prompt.text() == expected
    (span,) = prepared.engine_input.spans
    assert span.length == (112 // 28) ** 2
    ids = prepared.engine_input.input_ids
    assert set(ids[span.start : span.start + span.length]) == {preparer.model.placeholder_id}


def test_pictures_without_a_place_go_in_front_in_the_example(preparer: Preparer, example: Path) -> None:
    prepared = preparer.prepare(request(example, "Compare.", 2))
    assert "user\n<image>\n<image>\nCompare.<|im_end|>" in prepared.prompt.text()
    assert prepared.engine_input.media_tokens == 32


@pytest.mark.usefixtures("example_registry")
def test_the_python_of_the_page_runs_the_example_in_the_engine(
    example: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (program,) = [text for text in blocks(ROOT / "docs/plugins.md", "python") if "open_pipeline(" in text]
    monkeypatch.chdir(example)
    exec(compile(program, "plugins.md", "exec", dont_inherit=True), {})
    prompt, media, generated = map(int, capsys.readouterr().out.split())
    assert (media, generated) == (16, 4)
    assert prompt > media


def test_the_wrapper_goes_around_the_example(
    example: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.syspath_prepend(str(example))
    file = example / "both.yaml"
    file.write_text("registry: 1\nplugins:\n  patchwork: {package: patchwork}\n  stopwatch: {package: stopwatch}\n")
    registry = load_registry(RegistrySources(None, False, None, (file,), True))
    preparer = open_preparer("patchwork-tiny", example / "checkpoint", registry)
    with caplog.at_level("INFO", "stopwatch.hooks"):
        preparer.prepare(request(example, "Compare.", 2))
    assert re.fullmatch(r"patchwork-tiny: 2 items in 0\.\d+ s", caplog.messages[0])


def test_the_manifest_reference_names_every_key(example: Path) -> None:
    """Each key that the reader knows; the reader itself says which, for a key that it does not know."""
    page = (ROOT / "docs/plugins.md").read_text("utf-8")
    for where, change in UNKNOWN.items():
        text = change((example / "patchwork/manifest.yaml").read_text())
        (example / "wrong.yaml").write_text(text)
        file = example / "wrong_registry.yaml"
        file.write_text("registry: 1\nplugins: {patchwork: {manifest: wrong.yaml}}\n")
        error = PluginHost(load_registry(RegistrySources(None, False, None, (file,)))).registry.plugins["patchwork"]
        assert error.error is not None
        known = set(re.findall(r"[a-z_]+", error.error.remedy.partition("Valid: ")[2])) - {"and", "more"}
        assert known, where
        assert [key for key in known if f"`{key}`" not in page] == [], where


UNKNOWN: dict[str, Callable[[str], str]] = {
    "plugin": lambda text: text.replace("{name: patchwork,", "{name: patchwork, qqqqqqqq: 1,"),
    "family": lambda text: text.replace("    title:", "    qqqqqqqq: 1\n    title:"),
    "media option": lambda text: text.replace("        help:", "        qqqqqqqq: 1\n        help:"),
    "model type": lambda text: text.replace("    template:", "    qqqqqqqq: 1\n    template:"),
    "licence": lambda text: text.replace("{name: MIT}", "{name: MIT, qqqqqqqq: 1}"),
    "hub": lambda text: text.replace("{huggingface: me", "{qqqqqqqq: 1, huggingface: me"),
}
