"""What docs/hooks.md says is so: hooks and arguments, deadlines, versions, errors, and the program on the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vlmplug import errors
from vlmplug.hook_api import HOOK_API, api_range
from vlmplug.hook_table import hook_table
from vlmplug.hooks import HookSpecs
from vlmplug.host_options import HostOptions

PAGE = (Path(__file__).parent.parent / "docs/hooks.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]


def test_the_hooks_and_their_arguments() -> None:
    said = {row[0].strip("`"): tuple(re.findall(r"`(\w+)`", row[1])) for row in ROWS if len(row) == 4}
    assert {name: arguments for name, arguments in said.items() if arguments} == {
        entry.name: entry.arguments for entry in hook_table(HookSpecs).values()
    }


def test_the_deadlines() -> None:
    said = {row[2].strip("`"): float(row[1]) for row in ROWS if row[-1].endswith("_seconds`")}
    assert said == {name: getattr(HostOptions(), name) for name in ("import_seconds", "load_seconds", "hook_seconds")}


def test_the_versions() -> None:
    assert f"The hook API has a number, {HOOK_API}." in PAGE
    assert f"this one runs {api_range()}." in PAGE


def test_what_is_deprecated() -> None:
    entries = hook_table(HookSpecs).values()
    deprecated = [entry for entry in entries if entry.deprecated or entry.deprecated_arguments]
    assert ("Deprecated now: nothing." in PAGE) == (not deprecated)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+Error)`", PAGE))))
def test_the_errors_exist(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.VlmplugError)


@pytest.mark.parametrize("module", sorted(set(re.findall(r"`(vlmplug\.\w+)`", PAGE))))
def test_the_modules_exist(module: str) -> None:
    __import__(module)


def test_the_program_traces_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(program, "hooks.md", "exec", dont_inherit=True), {})
    out, err = capsys.readouterr()
    assert "Who are you?" in out
    assert [line.partition(":")[0] for line in err.splitlines()] == [f"trace {number // 2}" for number in range(2, 10)]
