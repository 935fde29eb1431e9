"""The page about Python: its programs run, and print what it shows."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import fields
from pathlib import Path

import pytest

import vlmplug

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/python.md").read_text("utf-8")
#: A program, and what it prints where the page shows that.
PROGRAM = re.compile(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_programs_print_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    programs = PROGRAM.findall(PAGE)
    assert len(programs) > 10
    for text, shown in programs:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(text, "python.md", "exec", dont_inherit=True), names)
        assert out.getvalue().rstrip("\n") == shown.rstrip("\n"), text


@pytest.mark.parametrize(
    "kind",
    [vlmplug.EngineOptions, vlmplug.LoadOptions, vlmplug.MediaPolicy, vlmplug.Question, vlmplug.Answer],
    ids=lambda kind: kind.__name__,
)
def test_the_page_names_every_field(kind: type) -> None:
    names = {field.name for field in fields(kind)} - {"prompt_logits"}
    assert [name for name in names if f"`{name}`" not in PAGE and name not in ("text",)] == []


def test_the_page_names_every_method() -> None:
    for kind in (vlmplug.LoadedModel, vlmplug.Chat):
        public = [name for name in vars(kind) if not name.startswith("_")]
        named = re.findall(r"\w+", PAGE)
        assert [name for name in public if name not in named and name not in ("pipeline", "model_type")] == []
