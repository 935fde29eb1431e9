"""``bench`` loads a model, asks it, and says how fast it was; what fails is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

SMALL = ("--device", "cpu", "--image-size", "60x40", "--max-new-tokens", "3", "--prompt-tokens", "8")


@pytest.fixture
def small_type(tmp_path: Path) -> tuple[str, ...]:
    """Flags that name a model type of which there is a manifest and no checkpoint; as small as the embedded one."""
    from vlmplug.registry import load_registry

    folder = load_registry().model_type("internvl2-tiny").checkpoint
    assert folder is not None
    config = json.loads((folder / "config.json").read_text())
    shape = {key: config[key] for key in ("vision_config", "llm_config", "force_image_size")}
    facts = {"family": "internvl2", "template": "Hermes-2", "modalities": ["text", "image"], "licence": {"name": "MIT"}}
    entry = {**facts, "parameters": 2821056, "context_length": 1024, "shape": shape}
    manifest = {"manifest": 1, "plugin": {"name": "mine", "api": 1}, "model_types": {"mine-3m": entry}}
    (tmp_path / "manifest.yaml").write_text(json.dumps(manifest))
    file = tmp_path / "registry.yaml"
    file.write_text("registry: 1\nplugins: {mine: {manifest: manifest.yaml}}\n")
    return "--registry", str(file), "--model", "mine-3m", "--weights", "random"


def test_a_true_shape_with_random_weights(small_type: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    flags = (*SMALL, "--requests", "5", "--concurrency", "2", "--warm-up", "1", "--out", str(out), "--json")
    ran = run("bench", *small_type, *flags)
    document = ran.json
    assert (ran.code, ran.err) == (0, "note: mine-3m in its true shape, with a tokenizer that stands in for its own\n")
    assert json.loads(out.read_text()) == document
    assert document["command"] == " ".join(["vlmplug bench", *small_type, *flags])
    assert document["model"] == {
        "model_type": "mine-3m",
        "weights": "random",
        "device": "cpu",
        "dtype": "float32",
        "tp": 1,
    }
    assert {"python", "vlmplug", "lmdeploy", "torch", "vlmplug-internvl2"} <= set(document["versions"])
    results = document["results"]
    assert (results["requests"], results["answered"], results["failures"]) == (5, 5, [])
    assert results["tokens"]["generated"] == 15
    assert results["tokens"]["prompt"] > results["tokens"]["media"] >= 5 * 16
    check_times(results)
    assert document["load_seconds"] > 0


def check_times(results: dict[str, Any]) -> None:
    """What must hold of times, however fast the machine is."""
    first, each, whole = (results["latency"][name] for name in ("first_token", "per_token", "whole"))
    assert 0 < first["mean"] < whole["mean"]
    assert whole["mean"] == pytest.approx(first["mean"] + 2 * each["mean"])
    assert whole["most"] <= results["seconds"]
    rates = results["per_second"]
    assert rates["output_tokens"] == pytest.approx(15 / results["seconds"])
    assert rates["requests"] == rates["images"] == pytest.approx(5 / results["seconds"])


def test_requests_that_fail_are_counted_and_shown(run: Run) -> None:
    flags = ("--device", "cpu", "--images", "0", "--max-new-tokens", "1")
    ran = run("bench", *flags, "--requests", "2", "--prompt-tokens", "9000", "--warm-up", "1")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert "answered         0 in 0" in ran.out
    assert any(line.split() == ["failed", "2"] for line in lines)
    assert lines[-2].split() == ["FAILED", "ERROR", "MESSAGE"]
    assert lines[-1].split()[:2] == ["2", "ContextLengthError"]


@pytest.fixture
def unloadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model fails the test."""
    import vlmplug.bench.benchmark

    def load(*arguments: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(vlmplug.bench.benchmark, "Pipeline", load)


@pytest.mark.usefixtures("unloadable")
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--requests 0", "requests is 0"),
        ("--images -1", "images is -1"),
        ("--image-size 12", "as in 1280x720"),
        ("--image-size 0x9", "0x9 are impossible"),
        ("--max-new-tokens 0", "max_new_tokens is 0"),
        ("--concurrency 0", "concurrency is 0"),
        ("--warm-up -1", "warm_up is -1"),
        ("--tp 0", "tp is 0"),
        ("--media-option max_num", "there is no value"),
        ("--out no/such/folder/file.json", "cannot be written"),
        ("--out .", "cannot be written"),
        ("--tokenizer .", "Add --weights random"),
        ("--model internvl2-2c", "Did you mean internvl2-2b"),
        ("--model internvl2-2b --offline", "internvl2-2b"),
        ("--model internvl2-4b --weights random", "Name a folder with one that does: --tokenizer"),
        ("--model internvl2-4b --weights random --tokenizer .", "holds no files of a tokenizer"),
    ],
)
def test_errors_before_a_model_is_loaded(
    flags: str, says: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "scope"))
    ran = run("bench", *flags.split())
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err
    assert "fix: " in ran.err


def test_a_text_and_its_length_are_one_too_many(run: Run) -> None:
    ran = run("bench", "--text", "Hi.", "--prompt-tokens", "3")
    assert ran.code == 2
    assert "not allowed with" in ran.err
