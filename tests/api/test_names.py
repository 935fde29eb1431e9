"""``import vlmplug`` offers the public names and imports nothing for it."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import vlmplug


@pytest.mark.parametrize("name", vlmplug.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(vlmplug, name)
    assert value.__name__ == name
    assert value.__doc__
    assert name in dir(vlmplug)


def test_type_checkers_see_the_same_names_as_python() -> None:
    """The imports behind TYPE_CHECKING, the table of homes, and ``__all__`` say the same."""
    (file,) = vlmplug.__spec__.submodule_search_locations or ()
    tree = ast.parse((Path(file) / "__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    typed = {(node.module or "").removeprefix("vlmplug."): tuple(name.name for name in node.names) for node in imports}
    typed.pop("public_names")
    assert typed == vlmplug._HOMES
    assert sorted(name for names in typed.values() for name in names) == sorted(vlmplug.__all__)


def test_no_public_name_hides_a_module() -> None:
    for name in vlmplug.__all__:
        with pytest.raises(ModuleNotFoundError):
            import_module(f"vlmplug.{name}")


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'vlmplug' has no attribute 'laod'"):
        vlmplug.laod  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'laod'"):
        exec("from vlmplug import laod")


def test_the_import_is_light() -> None:
    program = """if True:
        import sys
        before = set(sys.modules)
        import vlmplug
        assert set(sys.modules) - before <= {"vlmplug", "__future__"}, set(sys.modules) - before
        vlmplug.Sampling
        assert "numpy" not in sys.modules and "torch" not in sys.modules
        """
    subprocess.run([sys.executable, "-S", "-c", _with_paths(program)], check=True)


def _with_paths(program: str) -> str:
    """The program with this interpreter's paths; without ``-S`` other packages' .pth files import what they like."""
    return f"import sys; sys.path[:] = {sys.path!r}\n{program}"
