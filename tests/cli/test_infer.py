"""``infer`` streams an answer, or prints one record; wrong flags are found before a model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_one_record_and_the_same_text_as_a_stream(run: Run, model: tuple[str, ...], picture: Path) -> None:
    flags = (*model, "--device", "cpu", "--image", picture, "--max-new-tokens", "5", "What is it?")
    recorded = run("infer", "--json", *flags)
    record = recorded.json
    assert recorded.code == 0
    assert recorded.err == "note: stopped after --max-new-tokens 5\n"
    assert record["model_type"] == "internvl2-2b"
    assert (record["question"], record["images"], record["videos"]) == ("What is it?", [str(picture)], [])
    assert (record["finish_reason"], record["generated_tokens"], record["media_tokens"]) == ("length", 5, 48)
    assert len(record["token_ids"]) == 5
    assert record["prompt_tokens"] > 48
    assert record["seconds"]["total"] >= record["seconds"]["first_token"] > 0
    assert record["tokens_per_second"] > 0
    streamed = run("infer", *flags)
    assert (streamed.code, streamed.out) == (0, record["text"] + "\n")


@pytest.mark.usefixtures("unloadable")
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--temperature", "-1"), "temperature"),
        (("--max-new-tokens", "0"), "max_new_tokens"),
        (("--top-p", "7"), "top_p"),
        (("--image", "missing.png"), "missing.png"),
        (("--video", "missing.mp4"), "missing.mp4"),
        (("--tp", "0"), "tp is 0"),
        (("--json-schema", "missing.json"), "missing.json"),
        (("--media-option", "=3"), "there is no value"),
        (("--media-option", "max_num=0"), "max_num is 0"),
        (("--media-option", "max_nun=4"), "Did you mean max_num"),
        (("--model-type", "internvl2-2c"), "Did you mean internvl2-2b"),
    ],
)
def test_errors_before_a_model_is_loaded(flags: tuple[str, ...], says: str, run: Run) -> None:
    ran = run("infer", *flags, "What is it?")
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err
    assert len(ran.err.splitlines()) <= 2


@pytest.mark.usefixtures("unloadable")
@pytest.mark.parametrize("command", ["infer", "render"])
@pytest.mark.parametrize(
    ("question", "pictures", "says"),
    [
        ("Compare <image> with <image>.", 1, "There are 2 <image> tags in the question, and 1 picture."),
        ("See <image>.", 0, "There is 1 <image> tag in the question, and no pictures."),
        ("See <video>.", 1, "There is 1 <video> tag in the question, and no clips."),
    ],
)
def test_tags_without_a_file(
    command: str, question: str, pictures: int, says: str, run: Run, model: tuple[str, ...], picture: Path
) -> None:
    ran = run(command, *model, *["--image", picture] * pictures, question)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[0] == f"error: {says}"
    assert run("render", *model, "--placement", "inline", *["--image", picture] * pictures, question).code == 0


@pytest.mark.usefixtures("unloadable")
@pytest.mark.parametrize("question", ["", "  \n"])
def test_a_question_about_nothing(question: str, run: Run) -> None:
    ran = run("infer", question)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[0] == "error: The question is empty."


@pytest.mark.usefixtures("unloadable")
@pytest.mark.parametrize(
    ("flag", "content", "says"),
    [
        ("--image", b"no picture", "not a picture of a known format"),
        ("--image", b"", "there is not a single byte in it"),
        ("--video", b"no clip", "the video is broken or of an unknown format"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_flag(
    flag: str, content: bytes, says: str, run: Run, picture: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    ran = run("infer", "--image", picture, flag, file, "What is it?")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[0].startswith(f"error: {flag} {file}: {says}")


@pytest.mark.parametrize(("content", "says"), [("{", "is not JSON"), ("[1]", "holds no JSON object")])
@pytest.mark.usefixtures("unloadable")
def test_a_schema_that_is_none(content: str, says: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(content)
    ran = run("infer", "--json-schema", tmp_path / "schema.json", "What is it?")
    assert ran.code == 1
    assert says in ran.err
