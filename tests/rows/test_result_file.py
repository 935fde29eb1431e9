"""Results: nothing is lost, done twice, mixed with others, or written over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlmplug.errors import OptionError
from vlmplug.rows.result_file import ResultFile
from vlmplug.rows.row import Row

ONE, TWO = Row(1, b'{"query": "a"}'), Row(2, b'{"query": "b"}')


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "out" / "results.jsonl"


def written(file: Path, *rows: Row) -> None:
    with ResultFile(file, "run") as results:
        for row in rows:
            results.add(row, {"finish_reason": "stop"}, {"response": "ü\ud83d\n"})


def test_what_is_written_is_known_again(file: Path) -> None:
    written(file, ONE)
    with ResultFile(file, "run") as results:
        assert results.done == {ONE.key}
        results.add(TWO, {}, {})
    first, second = map(json.loads, file.read_bytes().decode("utf-8", "surrogatepass").splitlines())
    assert first["vlmplug"] == {"line": 1, "digest": ONE.digest, "run": "run", "finish_reason": "stop"}
    assert first["response"] == "ü\ud83d\n"
    assert second["vlmplug"]["line"] == 2
    assert sorted(path.name for path in file.parent.iterdir()) == ["results.jsonl"]


def test_wherever_it_was_cut_the_whole_results_stay(file: Path) -> None:
    written(file, ONE, TWO)
    content = file.read_bytes()
    end = content.index(b"\n") + 1
    for size in range(len(content) + 1):
        file.write_bytes(content[:size])
        with ResultFile(file, "run") as results:
            whole = content[:size].count(b"\n")
            assert results.done == {row.key for row in (ONE, TWO)[:whole]}
        assert file.read_bytes() == content[: (0, end, len(content))[whole]]


def test_results_of_other_settings_are_not_mixed(file: Path) -> None:
    written(file, ONE)
    with pytest.raises(OptionError, match="another model or other settings"):
        ResultFile(file, "other")
    written(file, TWO)


@pytest.mark.parametrize(
    "content",
    [b"precious", b'{"query": "a"}\n', b"[1]\n", b'{"vlmplug": 7}\n', b'{"vlmplug": {"line": 1}}\n', b"\xff\n"],
)
def test_files_of_others_stay_as_they_are(content: bytes, file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(OptionError, match="line 1: this is no result of ours"):
        ResultFile(file, "run")
    assert file.read_bytes() == content


def test_two_programs_do_not_write_one_file(file: Path) -> None:
    with ResultFile(file, "run"), pytest.raises(OptionError, match="by another program"):
        ResultFile(file, "run")
    written(file)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match="cannot be written"):
        ResultFile(tmp_path / "file" / "results.jsonl", "run")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OptionError, match="cannot be written"):
        ResultFile(tmp_path / "folder", "run")
