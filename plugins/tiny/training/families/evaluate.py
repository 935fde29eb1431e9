"""Measures how many held-out questions a family's tiny checkpoint answers right, through vlmplug's own engine.

    python -m training.families.evaluate glm4v-tiny --folder checkpoints/glm4v-tiny --questions 200 --json FILE

Pictures and clips are written to files and read back by the host. An answer is right if it is the expected one,
letter for letter; a follow-up question continues the model's own first answer.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.evaluate import BATCH, Reply, circumstances, mistake, replies, scores, shown
from training.families.description import TinyFamily
from training.families.held_out import held_out_questions
from training.families.index import FAMILIES
from training.held_out import HeldOut
from vlmplug.engine.options import EngineOptions
from vlmplug.pipeline import open_pipeline

#: Smallest share of right answers, by kind.
LEAST = 0.9


def all_replies(family: TinyFamily, checkpoint: Path, questions: Sequence[HeldOut]) -> Iterator[Reply]:
    """What a freshly loaded checkpoint says to all questions, batch by batch, on the CPU."""
    options = EngineOptions(device="cpu")
    with (
        tempfile.TemporaryDirectory(prefix="vlmplug-evaluate-") as media,
        open_pipeline(family.model_type, checkpoint, options) as pipeline,
    ):
        for start in range(0, len(questions), BATCH):
            yield from replies(pipeline, questions[start : start + BATCH], Path(media))
            print(f"{min(start + BATCH, len(questions))} of {len(questions)} questions asked", file=sys.stderr)


def record(family: TinyFamily, checkpoint: Path, given: Sequence[Reply], seconds: float) -> str:
    """Everything that was measured, in JSON."""
    measured = {
        **circumstances(family.name, checkpoint, "training.families.evaluate"),
        "seconds": round(seconds),
        "kinds": {kind: {"right": s.right, "asked": s.total} for kind, s in scores(given).items()},
        "mistakes": [mistake(reply) for reply in given if not reply.right],
    }
    return json.dumps(measured, indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the figures; 1 if fewer than 90 % of a kind are right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("--folder", type=Path, required=True, help="the checkpoint")
    parser.add_argument("--questions", type=int, default=200, metavar="N", help="questions of each kind (200)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, and all mistakes")
    options = parser.parse_args(arguments)
    family, start = FAMILIES[options.family], time.monotonic()
    given = list(all_replies(family, options.folder, held_out_questions(family, options.questions)))
    print(shown(scores(given)))
    if options.json:
        options.json.write_text(record(family, options.folder, given, time.monotonic() - start), encoding="utf-8")
    return int(any(score.right < LEAST * score.total for score in scores(given).values()))


if __name__ == "__main__":
    sys.exit(main())
