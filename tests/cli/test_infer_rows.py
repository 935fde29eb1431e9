"""``infer --val-dataset``: the rows of files, killed and taken up again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

SHAPES = str(Path(__file__).resolve().parents[2] / "examples" / "shapes.png")
GOOD: list[Any] = [
    {"query": "<image>How many shapes are there?", "images": [SHAPES], "response": "four", "id": 1},
    {"messages": [{"role": "user", "content": "Hello"}]},
]
BAD: list[Any] = [{"query": "x", "images": ["missing.png"]}, [1], {"query": "<image>"}]


def write(file: Path, rows: list[Any]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def lines(file: Path) -> list[dict[str, Any]]:
    return list(map(json.loads, file.read_text("utf-8").splitlines()))


def test_results_and_rows_that_are_set_aside(run: Run, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.jsonl", [*GOOD, *BAD]), write(tmp_path / "b.jsonl", GOOD)
    command = ("infer", "--device", "cpu", "--val_dataset", first, second, "--result_dir", tmp_path / "out")
    ran = run(*command, "--verbose")
    assert ran.code == 1
    assert "5 rows, 0 done before, 3 set aside; results: " in ran.err
    assert "[RESPONSE]There are four shapes." in ran.out
    by_line = {row["vlmplug"]["line"]: row for row in lines(tmp_path / "out" / "a.jsonl")}
    told = by_line[1].pop("vlmplug")
    answered = {"response": "There are four shapes.", "label": "four"}
    assert by_line[1] == {"system": None, "history": [], **GOOD[0], **answered}
    assert (told["finish_reason"], told["media_tokens"], told["generated_tokens"]) == ("stop", 80, 5)
    assert by_line[2]["response"] == "Hello! How can I help you?"
    aside = {row["vlmplug"]["line"]: row["vlmplug"] for row in lines(tmp_path / "out" / "a.rejected.jsonl")}
    assert [aside[line]["error"] for line in (3, 4, 5)] == ["MediaError", "RequestError", "PlacementError"]
    assert json.loads(aside[3]["row"]) == BAD[0]
    assert not (tmp_path / "out" / "b.rejected.jsonl").exists()

    # What is done stays done: no model is loaded for it.
    again = run("infer", "--device", "cpu", "--val-dataset", second, "--result-dir", tmp_path / "out")
    assert (again.code, again.err) == (0, f"{second}: 2 rows, 2 done before; results: {tmp_path / 'out' / 'b.jsonl'}\n")
    other = run("infer", "--val-dataset", second, "--result-dir", tmp_path / "out", "--temperature", "0.5")
    assert (other.code, len(lines(tmp_path / "out" / "b.jsonl"))) == (1, 2)
    assert "other settings" in other.err


def test_a_part_of_the_rows_to_the_standard_output(run: Run, tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", [{"query": f"Hello {number}"} for number in range(9)])
    ran = run("infer", "--device", "cpu", "--input", source, "--save-result", "false", "--show-dataset-sample", "3")
    assert ran.code == 0
    assert len({json.loads(line)["query"] for line in ran.out.splitlines()}) == 3
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.usefixtures("unloadable")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("missing.jsonl",), "missing.jsonl cannot be read"),
        (("a.jsonl", "--output", "a.jsonl"), "would take its own results"),
        (("a.jsonl", "b/a.jsonl"), "results of two files"),
        (("a.jsonl", "b/c.jsonl", "--output", "out.jsonl"), "results of two files"),
        (("a.jsonl", "--image", "x.png"), "beside --val-dataset"),
        (("a.jsonl", "--json"), "--json goes with one question"),
        (("a.jsonl", "--output", "a.jsonl/out"), "there is no folder a.jsonl"),
        (("a.jsonl", "--output", "new/out.jsonl"), "--output new/out.jsonl: there is no folder new"),
        (("a.jsonl", "--output", "precious.txt"), "no result of ours"),
    ],
)
def test_errors_before_a_model_is_loaded(
    words: tuple[str, ...], says: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    for name in ("a.jsonl", "b/a.jsonl", "b/c.jsonl"):
        write(tmp_path / name, GOOD)
    (tmp_path / "precious.txt").write_text("precious\n")
    ran = run("infer", "--val-dataset", *words)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err
    assert (tmp_path / "precious.txt").read_text() == "precious\n"
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    count = 120
    source = write(tmp_path / "a.jsonl", [{"query": f"<image>{n}?", "images": [SHAPES]} for n in range(count)])
    target = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "vlmplug", "infer", "--device", "cpu"]
    command += ["--val-dataset", str(source), "--output", str(target), "--max-new-tokens", "12"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 200
    while (not target.exists() or target.read_bytes().count(b"\n") < 20) and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.wait()
    had = target.read_bytes()
    had = had[: had.rindex(b"\n") + 1]
    assert 20 <= had.count(b"\n") < count
    with target.open("ab") as file:
        file.write(b'{"vlmplug": {"li')
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"{had.count(bytes([10]))} done before" in ran.stderr
    assert target.read_bytes().startswith(had)
    assert Counter(row["vlmplug"]["line"] for row in lines(target)) == Counter(range(1, count + 1))
