"""``models show``: everything about one model type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, registry_with
from vlmplug.memory import Setup, memory_needed
from vlmplug.registry import load_registry
from vlmplug.verification import CHECKS


def record(run: Run, *arguments: object) -> dict[str, Any]:
    ran = run("models", "show", *arguments, "--json")
    assert ran.code == 0, ran.err
    found: dict[str, Any] = ran.json
    return found


def test_show_tells_everything(run: Run) -> None:
    shown = record(run, "internvl2-2b")
    assert shown["architectures"] == ["InternVLChatModel"]
    assert shown["context_length"] == 32768
    assert shown["vision_parameters"] == 316_607_488
    assert shown["licence"] == {
        "name": "MIT",
        "note": "the language model is under the InternLM licence",
        "accept": False,
        "url": shown["licence"]["url"],
    }
    assert {"distribution", "versions"} == set(shown["requires"][0])
    options = {option["name"]: option for option in shown["media_options"]}
    assert options["max_num"]["expected"] == "a whole number from 1 to 40"
    assert options["num_segments"]["default"] == 8
    assert options["num_segments"]["media"] == ["video"]
    assert ":" in shown["declared"]


def test_options_of_media_that_a_type_does_not_take_are_left_out(run: Run) -> None:
    family = {option["name"]: option["media"] for option in record(run, "minicpm-v-v2_6-chat")["media_options"]}
    own = {option["name"] for option in record(run, "minicpm-v-v2_5-chat")["media_options"]}
    assert own == {name for name, media in family.items() if "image" in media} < set(family)


def test_memory_by_weights_and_number_of_devices(run: Run) -> None:
    entry = load_registry().model_type("internvl2-1b")
    memory = {(row["weights_as"], row["tp"]): row for row in record(run, "internvl2-1b")["memory"]}
    # its 14 heads cannot be shared by four devices, nor in whole groups by two
    assert set(memory) == {("awq", 1), *((weights, tp) for weights in ("float32", "bfloat16") for tp in (1, 2))}
    needed = memory_needed(entry, Setup("bfloat16", 2))
    assert needed is not None
    row = memory["bfloat16", 2]
    assert (row["weights"], row["cache"], row["reserve"], row["total"], row["tokens"]) == (
        needed.weights,
        needed.cache,
        needed.reserve,
        needed.total,
        8192,
    )


def test_a_quantised_type_has_no_memory_in_other_types(run: Run) -> None:
    memory = record(run, "internvl2-2b-awq")["memory"]
    assert [(row["weights_as"], row["tp"]) for row in memory] == [("awq", tp) for tp in (1, 2, 4)]


def test_the_verification_has_a_row_for_each_check(run: Run) -> None:
    rows = record(run, "internvl2-2b")["verification"]
    assert tuple(row["check"] for row in rows) == CHECKS
    assert {row["state"] for row in rows} <= {"verified", "failed", "outdated", "not run"}


def test_each_value_has_its_place(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("registry: 1\nmodel_types:\n  internvl2-2b:\n    limits: {images: 4}\n")
    ran = run("--registry", file, "models", "show", "internvl2-2b", "--json")
    sources = {row["value"]: row for row in ran.json["sources"]}
    assert ran.json["limits"]["images"] == 4
    assert (sources["limits.images"]["layer"], sources["limits.images"]["file"]) == ("option", str(file))
    assert sources["limits.images"]["line"] == 4
    assert sources["hub.huggingface"]["layer"] == "installed"
    assert sources["hub.huggingface"]["file"].endswith("manifest.yaml")
    assert "hub" not in sources


def test_show_as_text(run: Run) -> None:
    ran = run("models", "show", "internvl2-2b")
    facts, *tables = ran.out.split("\n\n")
    lines = dict(line.split("  ", 1) for line in facts.splitlines())
    assert {key: lines[key].strip() for key in ("model type", "parameters", "context length")} == {
        "model type": "internvl2-2b",
        "parameters": "2,205,754,368, 316,607,488 of them in tower and projector",
        "context length": "32,768 tokens",
    }
    assert [table.split("  ")[0].strip() for table in tables] == [
        "MEMORY OF A DEVICE, 8,192 TOKENS",
        "MEDIA OPTION",
        "CHECK",
        "VALUE",
    ]
    assert "None" not in ran.out
    assert "\x1b" not in ran.out


def test_a_device_count_that_cannot_be_is_a_dash(run: Run) -> None:
    (line,) = (line for line in run("models", "show", "internvl2-1b").out.splitlines() if line.startswith("bfloat16, "))
    assert line.split()[-1] == "-"


@pytest.mark.parametrize("name", [(), ("tiny",), ("./plugins/tiny/vlmplug_tiny/checkpoint",)])
def test_it_shows_the_default_and_whatever_resolves(
    run: Run, name: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert record(run, *name)["model_type"] == "internvl2-tiny"


def test_a_licence_that_must_be_accepted_is_told(run: Run, tmp_path: Path) -> None:
    file = registry_with(tmp_path, "{name: Odd, accept: true, url: 'https://example.org/licence'}")
    ran = run("--registry", file, "models", "show", "mine")
    assert "Odd; must be accepted on the hub first; https://example.org/licence" in ran.out
    assert "MEMORY" not in ran.out
