"""``models resolve``: what a name leads to, and why."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run

KEYS = {
    "asked",
    "model_type",
    "family",
    "rule",
    "because",
    "hub",
    "repository",
    "revision",
    "folder",
    "considered",
    "error",
    "fix",
}


def test_a_hub_id(run: Run) -> None:
    ran = run("models", "resolve", "https://hf-mirror.com/OpenGVLab/InternVL2-2B/tree/v1", "--json")
    assert (ran.code, ran.err, set(ran.json)) == (0, "", KEYS)
    assert (ran.json["model_type"], ran.json["family"], ran.json["rule"]) == ("internvl2-2b", "internvl2", "hub id")
    assert (ran.json["hub"], ran.json["repository"], ran.json["revision"]) == (
        "huggingface",
        "OpenGVLab/InternVL2-2B",
        "v1",
    )
    assert ran.json["considered"] == [
        {"model_type": "internvl2-2b", "fits": True, "why": "has the hub id OpenGVLab/InternVL2-2B"}
    ]


def test_as_text(run: Run) -> None:
    out = run("models", "resolve", "tiny").out
    facts, table = out.split("\n\n")
    assert facts.splitlines()[0].split(maxsplit=2) == ["model", "type", "internvl2-tiny"]
    assert table.split()[:3] == ["CONSIDERED", "FITS", "WHY"]


def test_without_a_name_the_default_is_resolved(run: Run) -> None:
    assert run("models", "resolve", "--json").json["asked"] == "internvl2-tiny"


def test_what_leads_to_no_single_type_is_told_and_an_error(run: Run, golden: Path) -> None:
    ran = run("models", "resolve", golden / "tiny", "--json")
    assert ran.code == 1
    assert (ran.json["model_type"], ran.json["family"]) == (None, "internvl2")
    assert len(ran.json["considered"]) > 20
    assert ran.err == f"error: {ran.json['error']}\nfix: {ran.json['fix']}\n"
    text = run("models", "resolve", golden / "tiny")
    assert text.code == 1
    assert "(none)" in text.out


def test_what_is_not_known_prints_nothing(run: Run) -> None:
    ran = run("models", "resolve", "internvl2-3b", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "Did you mean" in ran.err
