"""``vlmplug plugins show`` tells everything about one plugin, whether it works or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.plugin_maker import TOY_HOOKS, packages, toy_manifest, write_plugin, write_yaml


def facts(text: str) -> dict[str, str]:
    """What stands in front of the first empty line, by name."""
    lines = text.partition("\n\n")[0].splitlines()
    return {line[:20].split("  ")[0]: line.partition("  ")[2].strip() for line in lines}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_plugin_that_works(run: Run) -> None:
    ran = run("plugins", "show", "internvl2")
    found = facts(ran.out)
    assert (ran.code, found["plugin"], found["status"]) == (0, "internvl2", "ready")
    assert found["implements"] == "inject_vision_tokens, load_model, preprocess_media, render_prompt"
    assert found["hooks"] == "vlmplug_internvl2.hooks (API 1)"
    assert "internvl2-2b" in found["model types"]
    assert "VERIFIED" in ran.out.partition("\n\n")[2]


def test_the_document(run: Run) -> None:
    (listed,) = [plugin for plugin in run("plugins", "list", "--json").json if plugin["plugin"] == "internvl2"]
    shown = run("plugins", "show", "internvl2", "--json").json
    same = [key for key in listed if key != "requires"]
    assert {key: shown[key] for key in same} == {key: listed[key] for key in same}
    assert [one["distribution"] for one in shown["requires"]] == [one["distribution"] for one in listed["requires"]]
    assert shown["implements"] == ["inject_vision_tokens", "load_model", "preprocess_media", "render_prompt"]
    assert shown["wraps"] == []
    (family,) = shown["verification"]
    assert family["family"] == "internvl2"
    assert [check["check"] for check in family["checks"]][:2] == ["prompt", "preprocessing"]


def test_what_it_needs_and_what_was_found(run: Run, folder: Path) -> None:
    write_plugin(folder, "toy", toy_manifest(requires={"pip": ">=1", "there-is-no-such-library": ">=2"}), TOY_HOOKS)
    file = write_yaml(folder / "registry.yaml", {"registry": 1, "plugins": packages("toy")})
    found = facts(run("--registry", file, "plugins", "show", "toy").out)
    assert "there-is-no-such-library >=2 (not installed)" in found["requires"]
    assert found["declared"].startswith(f"{file}:")
    assert "there-is-no-such-library" in found["problem"]
    assert found["fix"].startswith("Run: pip install")
    document = run("--registry", file, "plugins", "show", "toy", "--json").json
    found_versions = {one["distribution"]: one["found"] for one in document["requires"]}
    assert found_versions["there-is-no-such-library"] is None
    assert found_versions["pip"]
    assert document["error"] == found["problem"]


@pytest.mark.parametrize(
    ("declared", "status", "words"),
    [
        ({"tiny": {"enabled": False}}, "off", ""),
        ({"gone": {"package": "not_installed"}}, "missing", "is not installed"),
    ],
)
def test_plugins_that_are_not_ready(
    declared: dict[str, dict[str, object]], status: str, words: str, run: Run, folder: Path
) -> None:
    file = write_yaml(folder / "registry.yaml", {"registry": 1, "plugins": declared})
    (name,) = declared
    ran = run("--registry", file, "plugins", "show", name)
    assert (ran.code, facts(ran.out)["status"]) == (0, status)
    assert words in facts(ran.out).get("problem", "")


def test_a_blocked_plugin(run: Run, folder: Path) -> None:
    file = write_yaml(folder / "registry.yaml", {"registry": 1, "plugins_blocked": ["tiny"]})
    found = facts(run("--registry", file, "plugins", "show", "tiny").out)
    assert found["status"] == "blocked"
    assert "plugins_blocked" in found["problem"]


def test_a_plugin_that_nobody_knows(run: Run) -> None:
    ran = run("plugins", "show", "internvl3")
    assert (ran.code, ran.err) == (1, "error: There is no plugin 'internvl3'.\nfix: Did you mean internvl2?\n")
