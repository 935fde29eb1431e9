"""Measures how many held-out questions the shipped model answers right, as ``vlmplug infer`` answers them on the CPU.

    python -m training.evaluate --questions 200 --infer 5 --json results.json

Pictures and clips are written to files and read back by the host. An answer is right if it is the expected one,
letter for letter.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from training.accuracy import Scores, table
from training.held_out import HeldOut, held_out_questions, write_media
from training.phrases import KINDS
from vlmplug.cli import main as command
from vlmplug.conversation import Conversation, Message, PromptOptions, user_message
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import VlmplugError
from vlmplug.pipeline import Pipeline, Request, open_pipeline
from vlmplug.sampling import Answer

MODEL_TYPE = "internvl2-tiny"
CHECKPOINT = Path(__file__).parent.parent / "vlmplug_tiny" / "checkpoint"
PACKAGES = (
    "vlmplug",
    "vlmplug-internvl2",
    "vlmplug-tiny",
    "lmdeploy",
    "torch",
    "transformers",
    "av",
    "decord",
    "pillow",
)
#: Questions that are handed to the engine at once.
BATCH = 64


@dataclass(frozen=True, slots=True)
class Reply:
    """What was said to a held-out question."""

    question: HeldOut
    text: str

    @property
    def right(self) -> bool:
        """Whether it is the expected answer."""
        return self.text == self.question.answer


def answers(pipeline: Pipeline, conversations: Sequence[Conversation]) -> list[Answer]:
    """Greedy answers, pictures in front of the text, as the command line asks.

    :raises VlmplugError: one of the conversations cannot be answered.
    """
    requests = [Request(conversation, PromptOptions(placement="beside")) for conversation in conversations]
    given = pipeline.generate_batch(requests)
    for answer in given:
        if isinstance(answer, VlmplugError):
            raise answer
    return [answer for answer in given if isinstance(answer, Answer)]


def replies(pipeline: Pipeline, batch: Sequence[HeldOut], folder: Path) -> list[Reply]:
    """What the model says; later turns continue the model's own answers."""
    talks: list[tuple[Message, ...]] = [()] * len(batch)
    for depth in range(max(len(question.turns) for question in batch)):
        going = [index for index, question in enumerate(batch) if depth < len(question.turns)]
        asked = [Conversation((*talks[index], message(batch[index], depth, folder))) for index in going]
        for index, talk, answer in zip(going, asked, answers(pipeline, asked), strict=True):
            talks[index] = talk.answered(answer.text, answer.token_ids)
    return [Reply(question, talk[-1].text) for question, talk in zip(batch, talks, strict=True)]


def message(question: HeldOut, depth: int, folder: Path) -> Message:
    """A turn of the user; the first one brings the files."""
    text = question.turns[depth].text
    if depth:
        return user_message(text)
    media = write_media(question, folder)
    return user_message(text, media.images, media.videos)


def all_replies(questions: Sequence[HeldOut], folder: Path) -> Iterator[Reply]:
    """What a freshly loaded model says to all questions, batch by batch."""
    with open_pipeline(MODEL_TYPE, options=EngineOptions(device="cpu")) as pipeline:
        for start in range(0, len(questions), BATCH):
            yield from replies(pipeline, questions[start : start + BATCH], folder)
            print(f"{min(start + BATCH, len(questions))} of {len(questions)} questions asked", file=sys.stderr)


def command_reply(question: HeldOut, folder: Path) -> Reply:
    """What ``vlmplug infer`` prints for a question.

    :raises SystemExit: the command fails; its message is on the standard error.
    """
    media = write_media(question, folder)
    files = [flag for image in media.images for flag in ("--image", str(image))]
    files += [flag for video in media.videos for flag in ("--video", str(video))]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = command(["infer", "--model-type", MODEL_TYPE, "--device", "cpu", *files, "--", question.turns[0].text])
    if code:
        raise SystemExit(code)
    return Reply(question, output.getvalue().removesuffix("\n"))


def spread(questions: Sequence[HeldOut], count: int) -> list[HeldOut]:
    """``count`` questions of one turn, of kinds as far apart as can be."""
    single = {question.kind: question for question in questions if len(question.turns) == 1}
    kinds = [kind for kind in KINDS if kind in single]
    return [single[kinds[index * len(kinds) // count]] for index in range(count)]


def scores(given: Sequence[Reply]) -> Scores:
    """Right answers by kind."""
    right = Counter(reply.question.kind for reply in given if reply.right)
    return table(Counter(reply.question.kind for reply in given), right)


def shown(measured: Scores) -> str:
    """The scores as a Markdown table."""
    rows = [f"| {kind} | {s.right} | {s.total} | {100 * s.right / s.total:.1f} % |" for kind, s in measured.items()]
    return "\n".join(["| kind of question | right | asked | |", "|---|---:|---:|---:|", *rows])


def mistake(reply: Reply) -> dict[str, Any]:
    """A wrong answer, for the record."""
    question = reply.question
    asked = {"kind": question.kind, "seed": question.number, "questions": [turn.text for turn in question.turns]}
    return {**asked, "expected": question.answer, "said": reply.text}


def processor() -> str:
    """The processor's name, as far as the system tells."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def installed(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names and versions of those distributions that are there."""
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def circumstances(
    model_type: str = MODEL_TYPE, checkpoint: Path = CHECKPOINT, module: str = "training.evaluate"
) -> dict[str, Any]:
    """What a reader needs to judge the figures.

    :param module: the program that measures.
    """
    weights = (checkpoint / "model.safetensors").read_bytes()
    return {
        "model_type": model_type,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": " ".join([f"python -m {module}", *sys.argv[1:]]),
        "machine": {"processor": processor(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": dict(installed(PACKAGES)),
    }


def record(given: Sequence[Reply], commanded: Sequence[Reply], seconds: float) -> Mapping[str, Any]:
    """Everything that was measured."""
    return {
        **circumstances(),
        "seconds": round(seconds),
        "kinds": {kind: {"right": s.right, "asked": s.total} for kind, s in scores(given).items()},
        "infer": {"right": sum(reply.right for reply in commanded), "asked": len(commanded)},
        "mistakes": [mistake(reply) for reply in (*given, *commanded) if not reply.right],
    }


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=200, metavar="N", help="questions of each kind (200)")
    parser.add_argument("--infer", type=int, default=0, metavar="N", help="ask N of them through `vlmplug infer`, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, and all mistakes")
    return parser.parse_args(arguments)


def main() -> int:
    """Prints the figures; 1 if fewer than 95 % of a kind are right."""
    options = options_of()
    start = time.monotonic()
    questions = held_out_questions(options.questions)
    with tempfile.TemporaryDirectory(prefix="vlmplug-evaluate-") as name:
        given = list(all_replies(questions, Path(name)))
        seconds = time.monotonic() - start
        commanded = [command_reply(question, Path(name)) for question in spread(questions, options.infer)]
    print(shown(scores(given)))
    if commanded:
        print(f"vlmplug infer: {sum(reply.right for reply in commanded)} of {len(commanded)} right")
    if options.json:
        text = json.dumps(record(given, commanded, seconds), indent=2, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    return int(any(score.right < 0.95 * score.total for score in scores(given).values()))


if __name__ == "__main__":
    sys.exit(main())
