"""The page about ms-swift: its programs run one after the other, and print what it shows."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import fields

import pytest

from tests.compat.conftest import ROOT
from vlmplug.compat import swift
from vlmplug.compat.swift.dialogue import IDLE, KEYS
from vlmplug.compat.swift.engine_kwargs import _ENGINE, _SCHEDULER
from vlmplug.compat.swift.environment import TIMEOUT, VARIABLES

PAGE = (ROOT / "docs/swift.md").read_text("utf-8")
#: A program, and what it prints.
PROGRAM = re.compile(r"^```python\n(.*?)^```\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_programs_print_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    programs = PROGRAM.findall(PAGE)
    assert len(programs) == PAGE.count("```python") == 3
    for text, shown in programs:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(text, "swift.md", "exec", dont_inherit=True), names)
        assert out.getvalue() == shown, text
    engine = names["lmdeploy_engine"]
    assert isinstance(engine, swift.LmdeployEngine)
    engine.close()


def named() -> set[str]:
    return set(re.findall(r"\w+", PAGE))


@pytest.mark.parametrize(
    "names",
    [
        [name for name in swift.__all__ if name not in ("LmdeployEngine", "SwiftValueError")],
        [key for key in (*KEYS, *IDLE) if key != "truncation_strategy"],
        [*_ENGINE, *_SCHEDULER],
        [*VARIABLES, TIMEOUT],
        [name for entry in fields(swift.LmdeployGenerationConfig) if (name := entry.name) in ("n", "ignore_eos")],
    ],
    ids=["names", "keys of requests", "engine_kwargs", "environment", "generation"],
)
def test_the_page_names_all_of_them(names: list[str]) -> None:
    assert [name for name in names if name not in named() and name != "block_size"] == []


def test_each_defect_has_its_test() -> None:
    listed = len(re.findall(r"^\d+\. ", PAGE.partition("## What was wrong there")[2], re.MULTILINE))
    tests = (ROOT / "tests/compat/test_defects.py").read_text("utf-8")
    assert re.findall(r"^def test_(\d+)_", tests, re.MULTILINE) == [str(number) for number in range(1, listed + 1)]
