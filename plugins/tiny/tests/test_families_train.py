"""The program: blocks made by workers, a run that ends with a state, another that goes on, and its checkpoint."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest

from training.evaluate import Reply
from training.families import export as export_program
from training.families.checkpoint import export, fingerprint, write_files
from training.families.data import FamilyPool, Stock, fresh_blocks
from training.families.evaluate import record
from training.families.held_out import held_out_questions
from training.families.index import FAMILIES
from training.families.packing import Filler, Layout, empty
from training.families.prompts import Prompter
from training.families.samples import samples
from training.families.train import Run, final_scores, parse, run_training
from training.state import read_progress

GLM = FAMILIES["glm4v-tiny"]
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="training's processes are forked")
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")


def run_of(folder: Path, *more: str) -> Run:
    few = ("--blocks", "1", "--pool", "2", "--workers", "1", "--final", "1", "--check-seconds", "600")
    return parse(["glm4v-tiny", "--state", str(folder), "--minutes", "0.05", *few, *more])


@forks
def test_workers_fill_blocks_with_the_stream_of_their_own(tmp_path: Path) -> None:
    write_files(GLM, tmp_path)
    pool = FamilyPool(Stock(tmp_path, "training/0", 1, 2, GLM))
    pool.start()
    try:
        pool.wait(1)
        block = empty(Layout.of(GLM))
        pool.take(Random(0), block)
    finally:
        pool.stop()
    layout = Layout.of(GLM)
    filler, made = Filler(layout, samples(Prompter(GLM, tmp_path), "training/0/0")), []
    for _ in range(2):
        made.append(empty(layout))
        filler.fill(made[-1])
    assert any(np.array_equal(block["tokens"], one["tokens"]) for one in made)
    assert (pool.features, set(pool.layout)) == (layout.features, set(block))


def test_streams_share_nothing(tmp_path: Path) -> None:
    write_files(GLM, tmp_path)
    prompter, seen = Prompter(GLM, tmp_path), set[bytes]()
    for stream in ("held out", "final", "training/0/0"):
        found = {block["tokens"].tobytes() for block in islice(fresh_blocks(prompter, stream), 2)}
        assert len(found) == 2 and not found & seen
        seen |= found


def test_each_resumed_run_sees_new_scenes(tmp_path: Path) -> None:
    first = run_of(tmp_path).pool().supply.stream
    state = tmp_path / GLM.name
    (state / "progress.json").write_text('{"steps": 5, "rows": 40, "seconds": 1.0, "runs": 2, "tokenizer": ""}')
    assert run_of(tmp_path, "--resume").pool().supply.stream not in (first, "held out", "final")


@forks
@pytest.mark.slow
def test_a_run_leaves_a_state_and_a_second_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.families.train.CHECK_BLOCKS", 1)
    run_training(run_of(tmp_path))
    state = tmp_path / GLM.name
    before = read_progress(state)
    assert before.steps >= 1
    assert before.tokenizer == fingerprint(state / "files")
    further = run_of(tmp_path, "--resume")
    trainee = run_training(further)
    after = read_progress(state)
    assert (after.runs, after.steps > before.steps) == (before.runs + 1, True)
    scores = final_scores(further, trainee)
    assert all(score.total >= 1 for score in scores.values())
    assert export_program.main([GLM.name, "--state", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert export_program.main([GLM.name, "--state", str(tmp_path), "--out", str(tmp_path / "out"), "--check"]) == 0
    (tmp_path / "out" / "generation_config.json").write_text("{}")
    assert export_program.main([GLM.name, "--state", str(tmp_path), "--out", str(tmp_path / "out"), "--check"]) == 1
    with pytest.raises(ValueError, match="another tokenizer"):
        export(replace(GLM, write=FAMILIES["minicpm-v-tiny"].write), state, tmp_path / "other")


def test_the_record_names_model_and_mistakes(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    right, wrong = held_out_questions(GLM, 1)[:2]
    text = record(GLM, tmp_path, [Reply(right, right.answer), Reply(wrong, "No idea.")], 2.6)
    assert '"model_type": "glm4v-tiny"' in text and '"said": "No idea."' in text and '"seconds": 3' in text
