"""Public names are imported from their modules when they are used, and no sooner."""

from __future__ import annotations

import sys

import pytest

from vlmplug.public_names import public_name

HOMES = {"tool": ("grate", "Blade"), "inner.box": ("lid",)}


@pytest.fixture
def package(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package whose modules can be imported."""
    folder = tmp_path_factory.mktemp("named")
    files = {
        "__init__.py": "",
        "tool.py": "def grate(): return 1\nclass Blade: pass\n",
        "inner/__init__.py": "",
        "inner/box.py": "lid = 2\n",
    }
    for name, text in files.items():
        (folder / "kitchen" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "kitchen" / name).write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    return "kitchen"


def test_a_name_is_what_its_module_calls_so(package: str) -> None:
    assert public_name(package, HOMES, "lid") == 2
    assert "kitchen.tool" not in sys.modules
    assert public_name(package, HOMES, "Blade") is sys.modules["kitchen.tool"].Blade


def test_other_names_are_none(package: str) -> None:
    with pytest.raises(AttributeError, match="module 'kitchen' has no attribute 'knife'"):
        public_name(package, HOMES, "knife")
