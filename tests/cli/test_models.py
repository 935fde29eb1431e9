"""``models list`` and ``models show``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run

KEYS = {
    "model_type",
    "family",
    "plugin",
    "modalities",
    "hub",
    "parameters",
    "context_length",
    "template",
    "licence",
    "aliases",
    "embedded",
}


def test_rows_of_the_list(run: Run) -> None:
    rows = {row["model_type"]: row for row in run("models", "list", "--json").json}
    assert all(set(row) == KEYS for row in rows.values())
    assert {"internvl2-1b", "internvl2-8b", "internvl2-llama3-76b", "internvl2-tiny"} <= set(rows)
    row = rows["internvl2-2b"]
    assert (row["family"], row["plugin"], row["parameters"]) == ("internvl2", "internvl2", 2_205_754_368)
    assert row["modalities"] == ["text", "image", "video"]
    assert row["hub"] == {
        "huggingface": "OpenGVLab/InternVL2-2B",
        "modelscope": "OpenGVLab/InternVL2-2B",
        "revision": None,
    }
    assert rows["internvl2-tiny"]["embedded"] is True
    assert row["embedded"] is False


def test_the_table(run: Run) -> None:
    ran = run("models", "list")
    header, *lines = ran.out.splitlines()
    assert (ran.code, ran.err) == (0, "")
    assert header.split() == ["MODEL", "TYPE", "FAMILY", "PLUGIN", "MODALITIES", "PARAMETERS", "CONTEXT", "HUB"]
    (line,) = (line for line in lines if line.startswith("internvl2-2b "))
    assert line.split() == [
        "internvl2-2b",
        "internvl2",
        "internvl2",
        "text+image+video",
        "2.21B",
        "32768",
        "OpenGVLab/InternVL2-2B",
    ]
    assert header.index("HUB") == line.index("OpenGVLab")


def test_one_family(run: Run) -> None:
    rows = run("models", "list", "--family", "internvl2", "--json").json
    assert {row["family"] for row in rows} == {"internvl2"}
    unknown = run("models", "list", "--family", "glm")
    assert unknown.code == 1
    assert "family 'glm'" in unknown.err


def test_show_tells_everything(run: Run) -> None:
    record = run("models", "show", "internvl2-2b", "--json").json
    assert record["architectures"] == ["InternVLChatModel"]
    assert record["context_length"] == 32768
    options = {option["name"]: option for option in record["media_options"]}
    assert options["max_num"]["expected"] == "a whole number from 1 to 40"
    assert options["num_segments"]["default"] == 8
    assert options["num_segments"]["media"] == ["video"]
    assert ":" in record["declared"]


def test_show_as_text(run: Run) -> None:
    ran = run("models", "show", "internvl2-2b")
    lines = dict(line.split("  ", 1) for line in ran.out.split("\n\n")[0].splitlines())
    assert {key: lines[key].strip() for key in ("model type", "parameters", "context length")} == {
        "model type": "internvl2-2b",
        "parameters": "2,205,754,368",
        "context length": "32,768 tokens",
    }
    assert "max_num" in ran.out
    assert "None" not in ran.out


def test_a_broken_plugin_is_noted_on_the_error_output(run: Run, tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text("manifest: 1\n")
    file = tmp_path / "registry.yaml"
    file.write_text("registry: 1\nplugins: {sick: {manifest: manifest.yaml}}\n")
    ran = run("--registry", file, "models", "list", "--json")
    assert ran.code == 0
    assert "internvl2-2b" in ran.out
    assert "sick" in ran.err
    assert "plugins list" in ran.err


@pytest.mark.parametrize(
    ("count", "shown"),
    [(938_158_976, "938M"), (2_205_754_368, "2.21B"), (76_300_000_000, "76.3B"), (500, "500"), (1500, "1.5K")],
)
def test_magnitudes(count: int, shown: str) -> None:
    from vlmplug.cli.output import magnitude

    assert magnitude(count) == shown
