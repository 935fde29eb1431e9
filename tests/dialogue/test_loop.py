"""A dialogue: what lines do to it, with a model that answers; no error ends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from vlmplug.answer_stream import Deltas
from vlmplug.chat import ChatSettings
from vlmplug.cli.render import prompt_text
from vlmplug.dialogue.loop import Dialogue
from vlmplug.dialogue.session import Session, Turn
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import DeviceError, UnknownModelTypeError, VlmplugError
from vlmplug.pipeline import Pipeline, Prepared, Preparer, open_preparer
from vlmplug.sampling import Answer, Sampling

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SHAPES, AFTER, CLIP = (str(EXAMPLES / name) for name in ("shapes.png", "pair_after.png", "clip.mp4"))
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "internvl2" / "tiny"


NOTHING = Turn("")


class Loaded(Pipeline):
    """One engine for all tests: what closes it is told, and ends nothing."""

    closed = 0

    def close(self) -> None:
        """Counts."""
        self.closed += 1


class OneModel:
    """Knows the embedded model, a second one, and one that does not start."""

    def __init__(self, pipeline: Loaded) -> None:
        self.pipeline = pipeline
        self.started: list[str] = []
        self.broken = open_preparer("internvl2-2b", GOLDEN)
        self.asked: list[tuple[str | None, Path | None]] = []

    def prepare(self, name: str | None, folder: Path | None = None) -> Preparer:
        """As `Models.prepare`."""
        self.asked.append((name, folder))
        if name == "broken":
            return self.broken
        if name == "other":
            return open_preparer("internvl2-tiny")
        if name is not None:
            raise UnknownModelTypeError(f"There is no {name}.")
        return self.pipeline._preparer

    def start(self, preparer: Preparer) -> Pipeline:
        """As `Models.start`."""
        self.started.append(preparer.model.model_type)
        if preparer is self.broken:
            raise DeviceError("There is no room.")
        return self.pipeline

    def sampling(self, preparer: Preparer) -> Sampling:
        """As `Models.sampling`."""
        return Sampling(max_new_tokens=60)


class Script:
    """Lines that were written before; an error among them is raised in its place."""

    def __init__(self, lines: Sequence[str | BaseException], interactive: bool) -> None:
        self._lines = list(lines)
        self.interactive = interactive
        self.prompts: list[str] = []

    def read(self, prompt: str) -> str:
        """As `LineSource.read`."""
        self.prompts.append(prompt)
        line = self._lines.pop(0) if self._lines else EOFError()
        if isinstance(line, BaseException):
            raise line
        return line


class Record:
    """A screen that remembers; ``interrupted``: answers end by Ctrl-C after their first piece."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.said: list[str] = []
        self.notes: list[str] = []
        self.errors: list[str] = []
        self.shown: list[Turn] = []
        self.interrupted = False

    def answer(self, deltas: Deltas) -> Answer | None:
        """As `Screen.answer`."""
        answer = None
        for delta in deltas:
            if self.interrupted:
                raise KeyboardInterrupt
            answer = delta.answer
        assert answer is not None
        self.answers.append(answer.text)
        return answer

    def say(self, text: str) -> None:
        """As `Screen.say`."""
        self.said.append(text)

    def note(self, text: str) -> None:
        """As `Screen.note`."""
        self.notes.append(text)

    def error(self, error: VlmplugError) -> None:
        """As `Screen.error`."""
        self.errors.append(error.problem)

    def media(self, turn: Turn) -> None:
        """As `Screen.media`."""
        self.shown.append(turn)

    def prompt_of(self, session: Session, prepared: Prepared) -> str:
        """As `Screen.prompt_of`."""
        return prompt_text(session.preparer.model, prepared)


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Loaded]:
    torch.set_num_threads(1)
    loaded = Loaded(open_preparer("internvl2-tiny"), EngineOptions(device="cpu", threads=1))
    yield loaded
    Pipeline.close(loaded)


@pytest.fixture
def models(pipeline: Loaded) -> OneModel:
    return OneModel(pipeline)


class Talk:
    """What became of a dialogue."""

    def __init__(self, models: OneModel, lines: Sequence[str | BaseException], first: Turn, interactive: bool) -> None:
        self.session = Session(models, ChatSettings())
        self.screen, self.lines = Record(), Script(lines, interactive)
        self.finished: list[str] = []
        self.dialogue = Dialogue(
            self.session, self.lines, self.screen, first, lambda turn, answer: self.finished.append(turn.text)
        )


def talk(models: OneModel, *lines: str | BaseException, first: Turn = NOTHING, interactive: bool = True) -> Talk:
    done = Talk(models, lines, first, interactive)
    done.dialogue.run()
    return done


def test_questions_and_their_history(models: OneModel) -> None:
    done = talk(models, f"How many shapes are there? {AFTER}", "", "Describe the image.", "exit", "Hello")
    assert done.screen.answers[0] == "There are three shapes."
    assert done.screen.answers[1].startswith("The image shows three objects")
    assert [turn.role for turn in done.session.chat.messages] == ["user", "assistant"] * 2
    assert done.finished == ["How many shapes are there?", "Describe the image."]
    assert [part.name for part in done.screen.shown[0].images] == [AFTER]
    assert done.screen.errors == []


def test_clips_and_tags_that_ask_for_their_file(models: OneModel) -> None:
    done = talk(models, "<video>Describe the video.", CLIP, "clear", "<image>How many shapes are there?", f"'{SHAPES}'")
    assert done.screen.answers == ["The pink square moves to the right.", "There are four shapes."]
    assert done.lines.prompts[1] == "<video> path or address: "


def test_a_tag_for_which_no_file_is_named_is_text(models: OneModel) -> None:
    done = talk(models, "/render Is <image> a tag?", "", "Is <image> a tag?", "")
    assert "Is <image> a tag?" in done.screen.said[0]
    assert (len(done.screen.answers), done.screen.errors) == (1, [])


def test_clear_forgets_and_reset_system_reads_another_prompt(models: OneModel) -> None:
    done = talk(models, "Hello", "clear", "reset-system", "You count.", "/render Hi", "reset-system", "", "/render Hi")
    assert done.session.chat.messages == ()
    assert done.screen.said[0].startswith("<|im_start|>system\nYou count.<|im_end|>")
    assert "Hello" not in done.screen.said[0]
    assert "You count." not in done.screen.said[1]
    assert done.lines.prompts[3] == "[S] > "


def test_several_lines(models: OneModel) -> None:
    lines = ("multi-line", "Describe", "the image.#", "/render", "single-line", "/render Hi")
    done = talk(models, *lines)
    assert "user\nDescribe\nthe image.<|im_end|>" in done.screen.said[0]
    assert done.lines.prompts == ["> ", "[M] > ", "  ", "[M] > ", "[M] > ", "> ", "> "]


def test_media_of_the_flags_go_with_the_first_question(models: OneModel) -> None:
    from vlmplug.conversation import ImagePart

    first = Turn("", [ImagePart(AFTER, name=AFTER)])
    done = talk(models, "How many shapes are there?", "Hello", first=first)
    assert done.screen.answers[0] == "There are three shapes."
    assert [len(turn.media) for turn in done.session.chat.messages] == [1, 0, 0, 0]


def test_no_error_ends_it(models: OneModel, tmp_path: Path) -> None:
    files = ("/no/such.png ?", "<img>x</img> and <image>")
    done = talk(models, "/nope", "/save", "/render", "/save x.json", *files, "/model nothing", "Hello")
    assert len(done.screen.errors) == done.dialogue.errors == 7
    assert len(done.screen.answers) == 1


def test_control_c_ends_the_answer_and_forgets_the_turn(models: OneModel) -> None:
    done = Talk(models, ["Hello", KeyboardInterrupt(), "/help"], Turn(""), True)
    done.screen.interrupted = True
    done.dialogue.run()
    assert done.session.chat.messages == ()
    assert [note.partition(";")[0] for note in done.screen.notes] == ["stopped", "Ctrl-D leaves, /help tells more"]
    assert len(done.screen.said) == 1


def test_control_c_ends_a_dialogue_without_anybody(models: OneModel) -> None:
    with pytest.raises(KeyboardInterrupt):
        talk(models, KeyboardInterrupt(), interactive=False)


def test_saving(models: OneModel, tmp_path: Path) -> None:
    done = talk(models, "Hello", f"/save {tmp_path / 'a talk.jsonl'}")
    assert done.screen.errors == []
    assert (tmp_path / "a talk.jsonl").read_text("utf-8").count("\n") == 1


def test_another_model_goes_on_with_what_was_said(models: OneModel) -> None:
    done = talk(models, f"How many shapes are there? {SHAPES}", "/model other", "/render", "/model")
    assert models.started == ["internvl2-tiny", "internvl2-tiny"]
    assert done.screen.notes[-1] == "internvl2-tiny answers"
    assert [turn.token_ids for turn in done.session.chat.messages] == [None, None]
    assert "x80</img>\nHow many shapes are there?" in done.screen.said[0]


def test_a_model_and_its_folder(models: OneModel, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    talk(models, f"/model other {folder}", f"/model {folder}", "/model no such", "/model other")
    assert models.asked[1:] == [("other", folder), (str(folder), None), ("no such", None), ("other", None)]


def test_a_model_that_does_not_start_leaves_the_old_one(models: OneModel) -> None:
    done = talk(models, "Hello", "/model broken", "Hello")
    assert models.started == ["internvl2-tiny", "internvl2-2b", "internvl2-tiny"]
    assert done.screen.errors == ["There is no room."]
    assert len(done.screen.answers) == 2
    assert len(done.session.chat.messages) == 4


def test_without_any_model_it_goes_on_too(models: OneModel, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Talk(models, ["/model broken", "Hello", "/model other", "Hello"], Turn(""), True)
    real, fails = models.start, iter((True, True, False))

    def start(preparer: Preparer) -> Pipeline:
        if next(fails):
            raise DeviceError("There is no room.")
        return real(preparer)

    monkeypatch.setattr(models, "start", start)
    done.dialogue.run()
    assert done.screen.errors == ["There is no room.", "No model is loaded."]
    assert len(done.screen.answers) == 1
