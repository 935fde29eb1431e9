"""Tensor parallelism against one rank: teacher-forced logits of the same random weights of a type's true shape.

    python benchmarks/ranks.py --model-type internvl2-2b --tokenizer FOLDER --tp 1 2 --dtype bfloat16 --out RESULTS.json

The first ``--tp`` gives the reference: its greedy tokens are forced on the others, whose logits before each of them are
compared. An argmax may differ only where the reference's margin is within the tolerance.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.true_shape import machine, picture, request, shape_folder
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.engine.request import EngineRequest
from vlmplug.model import EngineInput
from vlmplug.pipeline import Pipeline, open_pipeline
from vlmplug.sampling import Sampling

FORCED = 8
#: Largest difference of logits, as a share of the largest logit.
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2, "float16": 1e-2}

Logits = list[npt.NDArray[np.float32]]


def prompts(pipeline: Pipeline) -> list[EngineInput]:
    """A text, one picture of many tiles, and two pictures."""
    text = "Count slowly and describe every number that you meet on the way."
    asked = [request(text, 1), request(text, 1, picture(1280, 720, 1)), request(text, 1, picture(640, 640, 2))]
    return [pipeline.prepare(one).engine_input for one in asked]


def generated(pipeline: Pipeline, prompt: EngineInput) -> tuple[int, ...]:
    """Greedy tokens of one prompt."""
    sampling = Sampling(max_new_tokens=FORCED, ignore_stop=True)
    steps = pipeline._running().submit(EngineRequest(prompt, sampling))
    return tuple(token for step in steps for token in step.token_ids)


def forced_logits(pipeline: Pipeline, prompt: EngineInput, tokens: tuple[int, ...]) -> Logits:
    """The logits before each of ``tokens``, [vocabulary] each."""
    rows = []
    for count in range(len(tokens)):
        longer = replace(prompt, input_ids=(*prompt.input_ids, *tokens[:count]))
        sampling = Sampling(max_new_tokens=1, ignore_stop=True, prompt_logits=True)
        steps = list(pipeline._running().submit(EngineRequest(longer, sampling)))
        rows.append(np.asarray(next(step.prompt_logits for step in steps if step.prompt_logits), np.float32))
    return rows


def run(args: argparse.Namespace, folder: Path, tp: int, forced: list[tuple[int, ...]] | None) -> dict[str, Any]:
    """Everything one number of ranks has to say."""
    scheduler = SchedulerOptions(logprobs_mode="logits", prefix_caching=False)
    options = EngineOptions(args.device, args.dtype, tp=tp, weights="random", seed=0, scheduler=scheduler)
    start = time.perf_counter()
    with open_pipeline(args.model_type, folder, options) as pipeline:
        loaded = time.perf_counter() - start
        inputs = prompts(pipeline)
        tokens = forced or [generated(pipeline, prompt) for prompt in inputs]
        logits = [forced_logits(pipeline, prompt, own) for prompt, own in zip(inputs, tokens, strict=True)]
        answer = pipeline.generate(request("Count.", 64))
    return {"load_seconds": loaded, "tokens": tokens, "logits": logits, "tokens_per_second": answer.tokens_per_second}


def difference(reference: list[Logits], other: list[Logits], tolerance: float) -> dict[str, Any]:
    """Largest relative difference, and argmaxes that differ although the margin is larger than the tolerance."""
    largest, differing, compared, wrong = 0.0, 0, 0, 0
    for expected, found in zip(chain(*reference), chain(*other), strict=True):
        scale = float(np.abs(expected).max())
        largest = max(largest, float(np.abs(expected - found).max()) / scale)
        second, first = np.sort(expected)[-2:]
        compared += 1
        if expected.argmax() != found.argmax():
            differing += 1
            wrong += bool(first - second > 2 * tolerance * scale)
    return {
        "positions": compared,
        "largest_relative_difference": largest,
        "tolerance": tolerance,
        "argmax_differs": differing,
        "argmax_differs_beyond_margin": wrong,
        "passed": largest <= tolerance and not wrong,
    }


def main() -> int:
    """Command line; see the module docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model-type", default="internvl2-2b")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--tp", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    folder = shape_folder(args.model_type, args.tokenizer)
    results: dict[str, Any] = {**machine(), "model_type": args.model_type, "dtype": args.dtype, "ranks": {}}
    results["command"] = " ".join(["python", "benchmarks/ranks.py", *sys.argv[1:]])
    first = run(args, folder, args.tp[0], None)
    for tp in args.tp:
        found = first if tp == args.tp[0] else run(args, folder, tp, first["tokens"])
        row = {name: found[name] for name in ("load_seconds", "tokens_per_second")}
        row |= difference(first["logits"], found["logits"], TOLERANCE[args.dtype])
        results["ranks"][str(tp)] = row
        print(tp, json.dumps(row), flush=True)
    if args.out:
        args.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row["passed"] for row in results["ranks"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
