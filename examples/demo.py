"""Asks the embedded model about the example pictures and clip beside this file: ``python examples/demo.py``."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import VlmplugError
from vlmplug.pipeline import Pipeline, Request, open_pipeline
from vlmplug.sampling import Sampling

HERE = Path(__file__).parent
MODEL_TYPE = "internvl2-tiny"


@dataclass(frozen=True)
class Question:
    """A question and the files that it is about."""

    text: str
    images: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()

    @property
    def request(self) -> Request:
        images = tuple(HERE / name for name in self.images)
        videos = tuple(HERE / name for name in self.videos)
        conversation = Conversation((user_message(self.text, images, videos),))
        return Request(conversation, PromptOptions(placement="beside"), Sampling(max_new_tokens=128))


QUESTIONS = (
    Question("Who are you?"),
    Question("Describe the image.", images=("shapes.png",)),
    Question("How many shapes are there?", images=("shapes.png",)),
    Question("What is the difference between the two images?", images=("pair_before.png", "pair_after.png")),
    Question("Describe the video.", videos=("clip.mp4",)),
)


def ask(pipeline: Pipeline, question: Question) -> None:
    """Prints question, files, the answer as it comes, and what it cost."""
    print(f"\n? {question.text}")
    for name in (*question.images, *question.videos):
        print(f"  [{HERE.name}/{name}]")
    print("> ", end="")
    for delta in pipeline.stream(question.request):
        print(delta.text, end="", flush=True)
        answer = delta.answer
    if answer is not None:
        timings = answer.timings
        print(
            f"\n  {answer.prompt_tokens} prompt tokens ({answer.media_tokens} from media), "
            f"{answer.generated_tokens} generated; first after {timings.first_token * 1000:.0f} ms, "
            f"then {answer.tokens_per_second:.0f} tokens/s"
        )


def main() -> int:
    """Loads the model and asks every question; 1 if something failed."""
    start = time.perf_counter()
    print(f"Loading {MODEL_TYPE} into lmdeploy's engine …", flush=True)
    try:
        with open_pipeline(MODEL_TYPE, options=EngineOptions(device="auto")) as pipeline:
            print(f"ready after {time.perf_counter() - start:.1f} s")
            for question in QUESTIONS:
                ask(pipeline, question)
    except VlmplugError as error:
        print(f"error: {error.problem}\nfix: {error.remedy}", file=sys.stderr)
        return 1
    print(f"\ndone in {time.perf_counter() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
