"""docs/plugins.md lists the parts that plugins may use, each with names that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import vlmplug.parts

PAGE = (Path(__file__).parents[1] / "docs/plugins.md").read_text("utf-8")
MODULES = {file.stem: file for file in Path(vlmplug.parts.__path__[0]).glob("[a-z]*.py")}
#: What the page says of each module.
ROWS = dict(re.findall(r"^\| \[`(\w+)`\]\(\S+/vlmplug/parts/\w+\.py\) \| (.*) \|$", PAGE, re.M))


def test_every_part_is_listed() -> None:
    assert set(ROWS) == set(MODULES)


def test_the_names_in_a_row_are_in_its_module() -> None:
    for name, text in ROWS.items():
        module = ast.parse(MODULES[name].read_text("utf-8"))
        defined = {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert set(re.findall(r"`(\w+)`", text)) <= defined, name
