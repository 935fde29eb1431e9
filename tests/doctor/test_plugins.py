"""The rows of plugins: each in a process of its own, so that none can hurt the doctor or another plugin."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin_maker import MODEL_TYPE, TOY_HOOKS, manifest, packages, registry_of, toy_manifest, write_plugin
from vlmplug.doctor.check import Check
from vlmplug.doctor.plugin_probe import load_in_child
from vlmplug.doctor.plugins import check_plugins, check_registry
from vlmplug.registry import Registry

HOOKS = ("inject_vision_tokens", "load_model", "preprocess_media", "render_prompt")
WRAPPER = """
from vlmplug.hooks import hookimpl

@hookimpl(wrapper=True)
def load_model():
    return (yield)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def rows_of(registry: Registry, seconds: float = 30) -> dict[str, Check]:
    rows = check_plugins(registry.plugins.values(), lambda record: load_in_child(record, seconds))
    assert {row.group for row in rows} == {"plugins"}
    return {row.subject.removeprefix("plugin "): row for row in rows}


def row_of(folder: Path, hooks: str, seconds: float = 30, **parts: object) -> Check:
    write_plugin(folder, "toy", toy_manifest(**parts), hooks)
    return rows_of(registry_of(folder, packages("toy")), seconds)["toy"]


def test_a_plugin_that_works_names_its_hooks(folder: Path) -> None:
    row = row_of(folder, TOY_HOOKS)
    assert (row.status, row.fix) == ("ok", "")
    assert row.found == f"hooks {', '.join(HOOKS)}"


def test_wrappers_are_told_apart(folder: Path) -> None:
    write_plugin(folder, "around", manifest("around", hooks="around_plugin.hooks", wrappers=True), WRAPPER)
    row = rows_of(registry_of(folder, packages("around")))["around"]
    assert (row.status, row.found) == ("ok", "hooks load_model (wrapper)")


@pytest.mark.parametrize(
    ("hooks", "words"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import there_is_no_such_library\n", "there_is_no_such_library"),
        ("raise RuntimeError('no good')\n", "RuntimeError: no good"),
        ("import sys\nsys.exit('bye')\n", "SystemExit"),
        ("import os\nos._exit(3)\n", "exit code 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "killed by signal 9"),
        (f"{TOY_HOOKS}\n@hookimpl\ndef rendr_prompt(): pass\n", "rendr_prompt"),
        (TOY_HOOKS.replace("(model, conversation)", "(model, conversatio)"), "conversatio"),
    ],
    ids=["syntax", "library", "raises", "exits", "ends the process", "killed", "unknown hook", "unknown argument"],
)
def test_a_plugin_that_cannot_be_loaded(hooks: str, words: str, folder: Path) -> None:
    row = row_of(folder, hooks)
    assert (row.status, words in row.found, bool(row.fix)) == ("problem", True, True), row


def test_a_plugin_that_hangs(folder: Path) -> None:
    row = row_of(folder, "import time\ntime.sleep(600)\n", seconds=0.5)
    assert (row.status, "0.5 s" in row.found) == ("problem", True), row


def test_what_a_plugin_prints_is_no_answer(folder: Path) -> None:
    row = row_of(folder, f"import os\nprint('{{}}')\nos.system('echo noise')\n{TOY_HOOKS}")
    assert row.status == "ok"


def test_a_thread_that_a_plugin_begins_holds_up_nobody(folder: Path) -> None:
    row = row_of(folder, f"import threading\nthreading.Thread(target=threading.Event().wait).start()\n{TOY_HOOKS}")
    assert row.status == "ok"


def test_libraries_are_looked_for_before_the_import(folder: Path) -> None:
    row = row_of(folder, "raise SystemExit\n", requires={"pip": "<1", "there-is-no-such-library": ">=2"})
    assert row.status == "problem"
    assert "there-is-no-such-library >=2" in row.found
    assert '"pip<1"' in row.fix


def test_a_plugin_without_code_needs_its_libraries_too(folder: Path) -> None:
    write_plugin(folder, "data", manifest("data", requires={"there-is-no-such-library": ">=2"}))
    write_plugin(folder, "more", manifest("more"))
    rows = rows_of(registry_of(folder, packages("data", "more")))
    assert (rows["data"].status, rows["more"].status) == ("problem", "ok")


def test_plugins_that_are_not_loaded(folder: Path) -> None:
    write_plugin(folder, "sick", {"manifest": 1, "plugin": {"name": "sick"}})
    declared = {**packages("sick", "gone"), "off": {"package": "off_plugin", "enabled": False}}
    rows = rows_of(registry_of(folder, declared))
    assert {name: row.status for name, row in rows.items()} == {"sick": "problem", "gone": "note", "off": "note"}
    assert all(row.fix for row in rows.values())


def test_names_with_two_owners_are_rows(folder: Path) -> None:
    for name in ("one", "two"):
        write_plugin(folder, name, manifest(name, model_types={"toy-1b": dict(MODEL_TYPE)}))
    (row,) = check_registry(registry_of(folder, packages("one", "two")))
    assert (row.subject, row.status) == ("name toy-1b", "problem")
    assert "one" in row.found and "two" in row.found
    assert row.fix


def test_libraries_of_model_types_are_rows_with_the_types_that_need_them(folder: Path) -> None:
    types = {f"toy-{number}b": {**MODEL_TYPE, "requires": {"pip": "<1"}} for number in range(6)}
    types["toy-9b"] = {**MODEL_TYPE, "requires": {"there-is-no-such-library": ">=1"}}
    write_plugin(folder, "toy", manifest("toy", model_types=types))
    wrong, missing = check_registry(registry_of(folder, packages("toy")))
    assert (wrong.subject, wrong.status, wrong.needed) == (
        "library pip",
        "problem",
        "<1 for toy-0b, toy-1b, toy-2b, toy-3b …",
    )
    assert (missing.status, missing.found) == ("note", "not installed")
