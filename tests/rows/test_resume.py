"""A run that is killed again and again loses no result and does nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from vlmplug.rows.row import read_rows

COUNT = 400
PROGRAM = """if True:
    import asyncio, sys
    from pathlib import Path
    from vlmplug.conversation import Conversation, user_message
    from vlmplug.pipeline import Request
    from vlmplug.rows.answering import RowRun, result_of, told_of
    from vlmplug.rows.result_file import ResultFile
    from vlmplug.rows.row import read_rows
    from vlmplug.sampling import Answer

    class Model:
        async def agenerate(self, request):
            await asyncio.sleep(0.05)
            return Answer("x" * 5000, (), "stop", 1, 0)

    class Sink:
        def answered(self, row, answer):
            results.add(row, told_of(answer), result_of(row.document(), answer, None, None))

    source, target = map(Path, sys.argv[1:])
    with ResultFile(target, "run") as results:
        rows = (row for row in read_rows(source) if row.key not in results.done)
        ask = lambda row: Request(Conversation((user_message(row.document()["query"]),)))
        RowRun(Model(), ask, Sink()).run(rows)
    """


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def killed(command: list[str], target: Path, after: int) -> None:
    """Starts a run and kills it once it has written some results more."""
    before, process = lines(target), subprocess.Popen(command)
    end = time.monotonic() + 60
    while lines(target) < before + after and process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)
    process.kill()
    process.wait()


@pytest.mark.slow
def test_kill_and_resume(tmp_path: Path) -> None:
    source, target = tmp_path / "rows.jsonl", tmp_path / "results.jsonl"
    source.write_text("".join(json.dumps({"query": f"question {number}"}) + "\n" for number in range(COUNT)))
    command = [sys.executable, "-c", PROGRAM, str(source), str(target)]
    had: set[int] = set()
    for after in (1, 40, 90):
        killed(command, target, after)
        with target.open("ab") as file:  # what a kill in the middle of a line would leave
            file.write(b'{"vlmplug": {"line": 9')
        written = {json.loads(line)["vlmplug"]["line"] for line in target.read_bytes().splitlines()[:-1]}
        assert had < written
        had = written
    assert 130 < len(had) < COUNT
    subprocess.run(command, check=True, timeout=60)
    results = [json.loads(line)["vlmplug"] for line in target.read_text().splitlines()]
    assert Counter((told["line"], told["digest"]) for told in results) == Counter(row.key for row in read_rows(source))
