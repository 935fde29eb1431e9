"""``models list``: all model types, or those that flags ask for."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, registry_with
from vlmplug.cli import main
from vlmplug.memory import memory_needed
from vlmplug.registry import load_registry
from vlmplug.verification import CHECKS

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
    "verified",
    "verification",
    "memory_needed",
}


def names(run: Run, *flags: str) -> list[str]:
    ran = run("models", "list", *flags, "--json")
    assert ran.code == 0, ran.err
    return [row["model_type"] for row in ran.json]


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
        "huggingface_revision": None,
        "modelscope_revision": None,
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
    assert {row["family"] for row in run("models", "list", "--family", "internvl2", "--json").json} == {"internvl2"}


def test_one_modality(run: Run) -> None:
    video = names(run, "--modality", "video")
    assert "internvl2-2b" in video
    assert "mini-internvl-chat-2b-v1_5" not in video
    assert names(run, "--modality", "video", "--modality", "image") == video
    assert "mini-internvl-chat-2b-v1_5" in names(run, "--modality", "image")


@pytest.mark.parametrize("size", ["24GB", "24 GiB", "1GB", "80GB"])
def test_what_fits_is_what_needs_no_more(run: Run, size: str) -> None:
    rows = run("models", "list", "--json").json
    room = float(size.split("G")[0]) * (2**30 if "i" in size else 10**9)
    known = [row for row in rows if row["memory_needed"] is not None]
    assert names(run, "--fits", size) == [row["model_type"] for row in known if row["memory_needed"] <= room]


def test_the_table_of_what_fits_shows_the_memory(run: Run) -> None:
    header, *lines = run("models", "list", "--fits", "24GB").out.splitlines()
    (line,) = (line for line in lines if line.startswith("internvl2-8b "))
    needed = memory_needed(load_registry().model_type("internvl2-8b"))
    assert needed is not None
    assert line[header.index("MEMORY") :].startswith(f"{needed.total / 2**30:.1f} GiB")


def test_filters_combine(run: Run) -> None:
    both = names(run, "--family", "internvl2", "--modality", "video", "--fits", "8GB")
    flags = (("--family", "internvl2"), ("--modality", "video"), ("--fits", "8GB"))
    assert set(both) == set.intersection(*(set(names(run, *given)) for given in flags))
    assert "internvl2-2b" in both


def test_verified_ones_are_those_that_say_so(run: Run) -> None:
    rows = run("models", "list", "--json").json
    assert names(run, "--verified") == [row["model_type"] for row in rows if row["verified"]]


def test_nothing_like_that_is_no_error(run: Run) -> None:
    ran = run("models", "list", "--fits", "1MB")
    assert (ran.code, ran.out) == (0, "")
    assert "no model type is like that" in ran.err
    assert run("models", "list", "--fits", "1MB", "--json").json == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--family", "intern2"), "no family 'intern2' here.\nfix: Did you mean internvl2?"),
        (("--modality", "vidoe"), "no modality 'vidoe'.\nfix: Did you mean video?"),
        (("--fits", "much"), "--fits: 'much' is no size.\nfix: Write a number and a unit"),
        (("--known", "--fits", "24GB"), "--known goes with --family and --json alone"),
        (("--known", "--family", "qwen-vi"), "No known type is of a family 'qwen-vi'.\nfix: Did you mean Qwen2-VL"),
    ],
)
def test_flags_that_make_no_sense(run: Run, flags: tuple[str, ...], said: str) -> None:
    ran = run("models", "list", *flags)
    assert ran.code == 1
    assert said in ran.err


def test_known_types_have_a_pointer(run: Run) -> None:
    rows: list[dict[str, Any]] = run("models", "list", "--known", "--json").json
    assert {tuple(row) for row in rows} == {("model_type", "title", "plugin", "hub", "pointer", "source")}
    assert all(row["pointer"] for row in rows)
    assert not {row["model_type"] for row in rows} & set(names(run))
    (qwen,) = (row for row in rows if row["model_type"] == "qwen2-vl-7b-instruct")
    assert qwen["hub"]["huggingface"] == "Qwen/Qwen2-VL-7B-Instruct"


def test_known_types_of_a_family(run: Run) -> None:
    rows = run("models", "list", "--known", "--family", "pixtral", "--json").json
    assert {row["title"] for row in rows} == {"Pixtral"}
    assert "pixtral-12b" in run("models", "list", "--known", "--family", "Pixtral").out


def test_a_broken_plugin_is_noted_on_the_error_output(run: Run, tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text("manifest: 1\n")
    file = tmp_path / "registry.yaml"
    file.write_text("registry: 1\nplugins: {sick: {manifest: manifest.yaml}}\n")
    ran = run("--registry", file, "models", "list", "--json")
    assert ran.code == 0
    assert "internvl2-2b" in ran.out
    assert "sick" in ran.err
    assert "plugins list" in ran.err


def test_a_type_without_a_shape_fits_nowhere(run: Run, tmp_path: Path) -> None:
    file = registry_with(tmp_path, "{name: MIT}")
    rows = {row["model_type"]: row for row in run("--registry", file, "models", "list", "--json").json}
    assert rows["mine"]["memory_needed"] is None
    assert '"mine"' not in run("--registry", file, "models", "list", "--fits", "9TB", "--json").out


def test_what_is_verified_is_a_matrix_of_families_types_and_checks(run: Run) -> None:
    families, types = run("models", "list", "--verified").out.split("\n\n")
    titles = [word for check in CHECKS for word in check.upper().split()]
    header, *rows = map(str.split, families.splitlines())
    assert header == ["FAMILY", *titles]
    assert "internvl2" in {row[0] for row in rows}
    header, *rows = map(str.split, types.splitlines())
    assert header == ["MODEL", "TYPE", "AS", *titles]
    assert [row[0] for row in rows] == names(run, "--verified")
    (row,) = (row for row in rows if row[0] == "internvl2-2b")
    assert row[1:6] == ["internvl2-2b", "✓", "✓", "✓", "✓"]


def test_the_matrix_and_the_page_say_the_same(run: Run) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "verification.md").read_text("utf-8")
    for line in run("models", "list", "--verified", "--family", "internvl2").out.split("\n\n")[1].splitlines()[1:]:
        name, builds, *cells = re.split(r"\s{2,}", line.rstrip())
        assert f"| `{name}` | `{builds.replace(', ', '`, `')}` | {' | '.join(cells)} |" in page


def test_a_matrix_in_words_where_the_output_has_no_such_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(piped, encoding="cp1252", newline="\n"))
    assert main(["models", "list", "--verified", "--family", "internvl2"]) == 0
    header, row, *_ = piped.getvalue().decode("cp1252").splitlines()
    assert row[header.index("PROMPT") :].startswith("verified")


def test_each_check_stands_in_the_json(run: Run) -> None:
    rows = {row["model_type"]: row["verification"] for row in run("models", "list", "--json").json}
    assert rows["internvl2-2b"] == run("models", "show", "internvl2-2b", "--json").json["verification"]
    assert [check["check"] for check in rows["cogagent-9b"]] == list(CHECKS)
