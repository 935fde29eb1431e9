"""Requests of a batch are prepared in a row, and what one of them does, or does not do, is its own affair."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host_maker import load, toy
from tests.plugin_maker import TOY_HOOKS
from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.errors import HookFailedError, HookTimeoutError, OptionError
from vlmplug.host_options import HostOptions
from vlmplug.pipeline import Prepared, Preparer
from vlmplug.request import Request

pytestmark = pytest.mark.usefixtures("importable")

HANG = "import threading; threading.Event().wait(60)"


def preparer(tmp_path: Path, checkpoint: Path, *lines: str) -> Preparer:
    first = "    slots = "  # of render_prompt
    hooks = TOY_HOOKS.replace(first, "".join(f"    {line}\n" for line in lines) + first)
    return Preparer(*load(toy(tmp_path, hooks), checkpoint, options=HostOptions(hook_seconds=0.5)))


def says(text: str) -> Request:
    return Request(Conversation((user_message(text),)))


def test_all_of_them_in_one_thread(tmp_path: Path, checkpoint: Path) -> None:
    made = preparer(tmp_path, checkpoint, "import threading", "THREADS.add(threading.get_ident())")
    import toy_plugin.hooks  # type: ignore[import-not-found]

    toy_plugin.hooks.THREADS = set()
    prepared = made.prepare_all([says("hi")] * 5)
    assert [type(each) for each in prepared] == [Prepared] * 5
    assert len(toy_plugin.hooks.THREADS) == 1


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        pytest.param("raise OSError('gone')", HookFailedError, id="fails"),
        pytest.param(HANG, HookTimeoutError, id="never returns"),
    ],
)
def test_one_that_spoils_its_hook(tmp_path: Path, checkpoint: Path, line: str, wrong: type[Exception]) -> None:
    made = preparer(tmp_path, checkpoint, f"if conversation.turns[0].text == 'bad': {line}")
    prepared = made.prepare_all([says("hi"), says("bad"), says("hi")])
    assert [type(each) for each in prepared] == [Prepared, wrong, Prepared]


def test_one_that_is_wrong_itself(tmp_path: Path, checkpoint: Path) -> None:
    wrong = Request(says("hi").conversation, PromptOptions(media={"colour": 1}))
    prepared = preparer(tmp_path, checkpoint).prepare_all([wrong, says("hi")])
    assert [type(each) for each in prepared] == [OptionError, Prepared]


def test_none(tmp_path: Path, checkpoint: Path) -> None:
    assert preparer(tmp_path, checkpoint).prepare_all([]) == []
