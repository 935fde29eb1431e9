"""The records of the tree belong to its plugins as they are, and docs/verification.md says what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.registry import Registry, load_registry
from vlmplug.verification import BASIC_CHECKS, CHECKS, read_verification

ROOT = Path(__file__).resolve().parent.parent
REMEDY = "run: make record"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(RegistrySources(built_in_file()))


def test_the_page_is_what_the_records_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "record.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_records_made_on_a_cpu_are_current(registry: Registry) -> None:
    """A change of a plugin demands a new run. What needs a GPU may be outdated; the page says so."""
    for plugin in registry.plugins.values():
        verification = read_verification(plugin)
        assert verification.problems == ()
        outdated = [run.record.file_name for run in verification.runs if run.changed and run.record.run.device == "cpu"]
        assert outdated == [], f"{plugin.name}: {REMEDY}"


def test_every_family_that_has_a_reference_set_is_verified(registry: Registry) -> None:
    for name, family in registry.families.items():
        if (ROOT / "tests" / "golden" / name).is_dir():
            outcomes = read_verification(registry.plugins[family.plugin]).of_family(name)
            assert {outcomes[check].state for check in BASIC_CHECKS} == {"verified"}, f"{name}: {REMEDY}"


def test_records_name_no_folder_of_a_machine(registry: Registry) -> None:
    for plugin in registry.plugins.values():
        for run in read_verification(plugin).runs:
            words = run.record.run.command.split()
            assert not [word for word in words if word.startswith(("/", "~", "..")) or "\\" in word]


def test_the_python_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, rest = (ROOT / "docs" / "verification.md").read_text("utf-8").partition("```python\n")
    exec(compile(rest.partition("```")[0], "verification.md", "exec", dont_inherit=True), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [check.split()[0] for check in CHECKS]
    assert lines[0].split(maxsplit=1)[1] == "verified (as internvl2-2b)"
