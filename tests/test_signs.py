"""Signs of a checkpoint, in manifests and in model folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.plugin_maker import packages, registry_of, toy_manifest, write_plugin
from vlmplug.model_type import Signs
from vlmplug.signs import MAX_TEXT_BYTES, contradictions

CONFIG = {"visual": {"layers": 3}, "version": "2.6", "none": None}


@pytest.mark.parametrize(
    ("signs", "said"),
    [
        (Signs(), []),
        (Signs(present=("visual", "visual.layers"), absent=("gen", "visual.depth", "none")), []),
        (Signs(present=("gen", "none")), ["config.json has no gen", "config.json has no none"]),
        (Signs(absent=("visual.layers",)), ["config.json has visual.layers"]),
        (Signs(equal={"version": "2.6", "missing": 1}), []),
        (Signs(equal={"version": 2.6}), ["version is 2.6, not 2.6"]),
        (Signs(equal={"visual.layers": 4}), ["visual.layers is 3, not 4"]),
        (Signs(text={"chat.py": "我是"}), []),
        (Signs(text={"chat.py": "you are"}), ["chat.py does not say “you are”"]),
        (Signs(text={"not_there.py": "you are"}), []),
    ],
)
def test_what_speaks_against_a_checkpoint(signs: Signs, said: list[str], tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text("SYSTEM = '我是书生'", "utf-8")
    assert list(contradictions(signs, CONFIG, tmp_path)) == said


def test_files_that_are_no_text_or_endless_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00 you are \xff")
    (tmp_path / "long.py").write_text("x" * MAX_TEXT_BYTES + "you are")
    (tmp_path / "folder.py").mkdir()
    assert list(contradictions(Signs(text={"binary.py": "you are", "folder.py": "you are"}), {}, tmp_path)) == []
    assert list(contradictions(Signs(text={"long.py": "you are"}), {}, tmp_path)) == ["long.py does not say “you are”"]


def signs_of(folder: Path, monkeypatch: pytest.MonkeyPatch, **family: Any) -> Any:
    monkeypatch.syspath_prepend(str(folder))
    write_plugin(folder, "toy", toy_manifest(family=family))
    registry = registry_of(folder, packages("toy"))
    return registry.plugins["toy"].error or registry.families["toy"]


def test_a_manifest_declares_signs_of_the_family_and_of_each_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = {"present": ["visual"], "absent": ["gen"], "equal": {"version": "2.6", "a.b": 3}, "text": {"x.py": "words"}}
    family = signs_of(tmp_path, monkeypatch, signs=signs, template_signs={"plain": {"equal": {"template": "p"}}})
    assert family.signs == Signs(("visual",), ("gen",), {"version": "2.6", "a.b": 3}, {"x.py": "words"})
    assert family.template_signs == {"plain": Signs(equal={"template": "p"})}


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ({"signs": {"presnt": ["a"]}}, r"families\.toy\.signs\.presnt: unknown key.*Did you mean present"),
        ({"signs": {"present": "a"}}, "expected a list"),
        ({"signs": {"text": {"../x.py": "a"}}}, "no name of a file"),
        ({"signs": {"text": {"a/x.py": "a"}}}, "no name of a file"),
        ({"template_signs": {"plain": {"equal": 3}}}, "expected a mapping"),
    ],
)
def test_broken_signs_are_told_with_their_place(
    family: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = signs_of(tmp_path, monkeypatch, **family)
    with pytest.raises(type(error), match=rf"manifest\.yaml:\d+: .*{said}"):
        raise error
