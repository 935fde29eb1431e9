"""Every family that is here, from every front door: Python, ms-swift's calls, questions, rows and conversations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vlmplug
from vlmplug.cli import main
from vlmplug.compat.swift import get_default_template_type, get_lmdeploy_engine, get_template, inference_lmdeploy

ROOT = Path(__file__).resolve().parent / "golden"
CPU = vlmplug.EngineOptions(device="cpu", threads=1)
FEW = vlmplug.Sampling(max_new_tokens=4, ignore_stop=True)

#: Family -> model type that a checkpoint in tests/golden stands for, and its folder.
CHECKPOINTS = {
    "deepseek_vl": ("deepseek-vl-7b-chat", "tiny_7b"),
    "glm4v": ("glm4v-9b-chat", "tiny"),
    "internvl2": ("internvl2-2b", "tiny"),
    "minicpm_v": ("minicpm-v-v2_5-chat", "tiny_2_5"),
    "qwen_vl": ("qwen-vl-chat", "tiny"),
    "xcomposer2_5": ("internlm-xcomposer2_5-7b-chat", "tiny"),
}


def test_no_family_is_left_out() -> None:
    assert {folder.name for folder in ROOT.iterdir() if folder.is_dir()} == set(CHECKPOINTS)


@pytest.fixture(scope="module", params=sorted(CHECKPOINTS))
def family(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def model_type(family: str) -> str:
    return CHECKPOINTS[family][0]


@pytest.fixture(scope="module")
def folder(family: str) -> Path:
    return ROOT / family / CHECKPOINTS[family][1]


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pictures") / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)).save(file)
    return file


@pytest.fixture(scope="module")
def model(model_type: str, folder: Path) -> Iterator[vlmplug.LoadedModel]:
    with vlmplug.load(model_type, folder=folder, engine=CPU) as loaded:
        yield loaded


def test_a_conversation_in_python(model: vlmplug.LoadedModel, picture: Path) -> None:
    chat = model.chat(sampling=FEW)
    first, second = chat.generate("What is it?", images=picture), chat.generate("And the colour?")
    assert [first.generated_tokens, second.generated_tokens] == [4, 4]
    assert first.media_tokens > 0 and second.prompt_tokens > first.prompt_tokens + 4


def test_a_stream_says_what_the_whole_answer_does(model: vlmplug.LoadedModel, picture: Path) -> None:
    whole = model.generate("What is it?", images=picture, sampling=FEW)
    deltas = list(model.stream("What is it?", images=picture, sampling=FEW))
    assert "".join(delta.text for delta in deltas) == whole.text


def test_a_batch(model: vlmplug.LoadedModel, picture: Path) -> None:
    questions = [vlmplug.Question("What is it?", picture), vlmplug.Question("Hello")]
    alone = [model.generate(question, sampling=FEW).token_ids for question in questions]
    assert [answer.token_ids for answer in model.batch(questions, sampling=FEW)] == alone  # type: ignore[union-attr]


def test_the_calls_of_ms_swift(model_type: str, folder: Path, picture: Path) -> None:
    asked = [{"query": "<image>What is it?", "images": [str(picture)]}, {"query": "Hello", "history": [["Hi", "Yes?"]]}]
    with get_lmdeploy_engine(model_type, model_id_or_path=str(folder), engine_kwargs={"device_type": "cpu"}) as engine:
        engine.generation_config.max_new_tokens = 4
        template = get_template(get_default_template_type(model_type), engine.hf_tokenizer)
        answers = inference_lmdeploy(engine, template, asked)
    assert [answer["history"][-1] for answer in answers] == [
        [question["query"], answer["response"]] for question, answer in zip(asked, answers, strict=True)
    ]


def test_the_prompt_is_shown(model_type: str, folder: Path, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--model-type", model_type, "--model-dir", str(folder)]
    assert main(["render", *where, "--image", str(picture), "--json", "What is it?"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["media_tokens"] == sum(span["length"] for span in shown["spans"]) > 0
    assert "What is it?" in shown["prompt"]


def test_rows_of_a_file(model_type: str, folder: Path, picture: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    asked = [{"query": "<image>What is it?", "images": [str(picture)]}, {"query": "Hello"}]
    rows.write_text("".join(json.dumps(row) + "\n" for row in asked))
    where = ["--model-type", model_type, "--model-dir", str(folder), "--device", "cpu", "--max-new-tokens", "4"]
    assert main(["infer", *where, "--val-dataset", str(rows), "--result-dir", str(tmp_path / "results")]) == 0
    answered = [json.loads(line) for line in (tmp_path / "results" / "rows.jsonl").read_text("utf-8").splitlines()]
    assert sorted(row["vlmplug"]["line"] for row in answered) == [1, 2]
    assert {row["vlmplug"]["line"]: row["vlmplug"]["media_tokens"] > 0 for row in answered} == {1: True, 2: False}
