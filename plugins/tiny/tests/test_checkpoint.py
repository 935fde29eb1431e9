"""The shipped model, end to end: official files, a true manifest, right answers, and figures that belong to it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from training.accuracy import Score
from training.evaluate import MODEL_TYPE, Reply, replies, scores, shown
from training.export import MOST_BYTES
from training.held_out import held_out_questions
from training.phrases import KINDS
from vlmplug.engine.options import EngineOptions
from vlmplug.model_type import ModelType
from vlmplug.pipeline import open_pipeline
from vlmplug.registry import load_registry

PACKAGE = Path(__file__).parent.parent
#: Files of an official InternVL2 checkpoint with a Qwen2 language model; its remote code is not among them.
OFFICIAL = {
    "added_tokens.json", "config.json", "generation_config.json", "merges.txt", "model.safetensors",
    "preprocessor_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def config(checkpoint: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def entry() -> ModelType:
    """What the registry knows from the manifest."""
    return load_registry().model_type(MODEL_TYPE)


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """The recorded figures."""
    found: dict[str, Any] = json.loads((PACKAGE / "results.json").read_text(encoding="utf-8"))
    return found


def test_the_files_are_the_official_ones_and_small(checkpoint: Path) -> None:
    files = list(checkpoint.iterdir())
    assert {file.name for file in files} == OFFICIAL
    assert sum(file.stat().st_size for file in files) <= MOST_BYTES == 6_000_000


def test_the_manifest_says_what_the_checkpoint_is(entry: ModelType, config: dict[str, Any], checkpoint: Path) -> None:
    weights = {name: tensor.numel() for name, tensor in load_file(checkpoint / "model.safetensors").items()}
    in_tower = [count for name, count in weights.items() if name.startswith(("vision_model.", "mlp1."))]
    vision, language = config["vision_config"], config["llm_config"]
    assert (entry.parameters, entry.vision_parameters) == (sum(weights.values()), sum(in_tower))
    assert entry.context_length == language["max_position_embeddings"]
    assert entry.template == config["template"]
    assert numbers(entry.vision_tower) == [vision["num_hidden_layers"], vision["hidden_size"]]
    assert numbers(entry.language_model.partition(",")[2]) == [language["num_hidden_layers"], language["hidden_size"]]
    assert entry.checkpoint == checkpoint.resolve()


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def test_there_is_no_code_in_the_package() -> None:
    sources = {file.name: file.read_text(encoding="utf-8") for file in (PACKAGE / "vlmplug_tiny").glob("**/*.py")}
    assert sources.keys() == {"__init__.py"}
    assert re.fullmatch(r'"""[^"]*"""\n', sources["__init__.py"])


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[Reply]:
    """What the model says to one held-out question of each kind."""
    questions = held_out_questions(1)
    with open_pipeline(MODEL_TYPE, options=EngineOptions(device="cpu")) as pipeline:
        return replies(pipeline, questions, tmp_path_factory.mktemp("media"))


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_a_held_out_question_right(kind: str, given: list[Reply]) -> None:
    (reply,) = [reply for reply in given if reply.question.kind == kind]
    assert reply.text == reply.question.answer


def test_the_figures_are_those_of_the_shipped_weights(results: dict[str, Any], checkpoint: Path) -> None:
    weights = (checkpoint / "model.safetensors").read_bytes()
    assert results["weights_sha256"] == hashlib.sha256(weights).hexdigest()


def recorded(results: dict[str, Any]) -> dict[str, Score]:
    return {kind: Score(row["right"], row["asked"]) for kind, row in results["kinds"].items()}


def test_every_kind_was_asked_often_and_answered_well(results: dict[str, Any]) -> None:
    measured = recorded(results)
    assert list(measured) == list(KINDS)
    assert all(score.total >= 200 for score in measured.values())
    assert all(score.right >= 0.95 * score.total for score in measured.values())
    assert results["infer"]["right"] == results["infer"]["asked"] > 0
    wrong = sum(score.total - score.right for score in measured.values())
    assert len(results["mistakes"]) == wrong


def test_the_readme_shows_the_recorded_figures(results: dict[str, Any]) -> None:
    readme = (PACKAGE / "README.md").read_text(encoding="utf-8")
    assert shown(recorded(results)) in readme
    assert results["date"] in readme
    assert results["command"] in readme


def test_the_record_names_no_path_of_the_machine(results: dict[str, Any]) -> None:
    assert not re.search(r"(?<![\w.])/\w", json.dumps(results))


def test_scores_of_the_answers_here(given: list[Reply]) -> None:
    assert scores(given) == dict.fromkeys(KINDS, Score(1, 1))
