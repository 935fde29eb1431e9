"""Tensor parallelism against one rank: teacher-forced logits of the same random weights of a type's true shape.

    python benchmarks/ranks.py --model-type internvl2-2b --tokenizer FOLDER --tp 1 2 --dtype bfloat16 --out RESULTS.json
    python benchmarks/ranks.py --model-type A B --tokenizer FOLDER_A FOLDER_B --layers 4 --blocks 512 --out FOLDER

The first ``--tp`` gives the reference: its greedy tokens are forced on the others, whose logits before each of them are
compared. An argmax may differ only where the reference's margin is within the tolerance.

Several model types run at the same time, each in a process of its own, so that none ends with another; ``--out`` is a
folder then, with a file for each of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.shape_cut import ShapeCut
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
    """A text, a wide picture and a square one, and a text beyond the trained length where that changes attention."""
    text, scaling = "Count slowly and describe every number that you meet on the way.", pipeline.model.length_scaling
    asked = [request(text, 1), request(text, 1, picture(1280, 720, 1)), request(text, 1, picture(640, 640, 2))]
    if scaling is not None:
        count = len(pipeline.model.tokenizer.encode_text(text))
        asked.append(request(text * (scaling.trained_length // count + 1), 1))
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
        sampling = Sampling(max_new_tokens=1, ignore_stop=True, prompt_logits=True)
        steps = list(pipeline._running().submit(EngineRequest(longer(prompt, tokens[:count]), sampling)))
        rows.append(np.asarray(next(step.prompt_logits for step in steps if step.prompt_logits), np.float32))
    return rows


def longer(prompt: EngineInput, tokens: tuple[int, ...]) -> EngineInput:
    """A prompt with tokens behind it, whose positions count on."""
    given = prompt.position_ids
    own = None if given is None else (*given, *range(given[-1] + 1, given[-1] + 1 + len(tokens)))
    return replace(prompt, input_ids=(*prompt.input_ids, *tokens), position_ids=own)


def run(args: argparse.Namespace, folder: Path, tp: int, forced: list[tuple[int, ...]] | None) -> dict[str, Any]:
    """Everything one number of ranks has to say."""
    scheduler = SchedulerOptions(
        logprobs_mode="logits", prefix_caching=False, eager=args.eager, kv_blocks=args.blocks, block_size=64
    )
    options = EngineOptions(args.device, args.dtype, tp=tp, weights="random", seed=0, scheduler=scheduler)
    start = time.perf_counter()
    with open_pipeline(args.model_type[0], folder, options) as pipeline:
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


def one_type(args: argparse.Namespace) -> int:
    """All numbers of ranks of one model type, in this process; 1 where a comparison failed."""
    (model_type,), (tokenizer,) = args.model_type, args.tokenizer
    folder = args.folder or shape_folder(model_type, tokenizer)
    cut = ShapeCut(args.layers, args.head_parts)
    if args.folder is None:
        cut.apply(folder)
    results: dict[str, Any] = {**machine(), "model_type": model_type, "dtype": args.dtype}
    results |= {"cut": vars(cut), "eager": args.eager, "ranks": {}}
    results["command"] = " ".join(["python", "benchmarks/ranks.py", *sys.argv[1:]])
    first = run(args, folder, args.tp[0], None)
    for tp in args.tp:
        found = first if tp == args.tp[0] else run(args, folder, tp, first["tokens"])
        row = {name: found[name] for name in ("load_seconds", "tokens_per_second")}
        row |= difference(first["logits"], found["logits"], TOLERANCE[args.dtype])
        results["ranks"][str(tp)] = row
        print(model_type, tp, json.dumps(row), flush=True)
        if args.out:  # after each one, for runs that are cut short
            args.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row["passed"] for row in results["ranks"].values()) else 1


def several_types(args: argparse.Namespace) -> int:
    """Each model type in a process of its own, all at once; the worst exit code."""
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    common = ["--device", args.device, "--dtype", args.dtype, "--tp", *map(str, args.tp)]
    common += ["--head-parts", str(args.head_parts), *(["--eager"] if args.eager else [])]
    common += ["--layers", str(args.layers)] if args.layers else []
    common += ["--blocks", str(args.blocks)] if args.blocks else []
    children = {}
    for model_type, tokenizer in zip(args.model_type, args.tokenizer, strict=True):
        out = ["--out", str(args.out / f"{model_type}.json")] if args.out else []
        command = [sys.executable, __file__, "--model-type", model_type, "--tokenizer", str(tokenizer), *common, *out]
        children[model_type] = subprocess.Popen(command)
    codes = {model_type: child.wait() for model_type, child in children.items()}
    print(json.dumps({"exit codes": codes}), flush=True)
    return max(map(abs, codes.values()))


def main() -> int:
    """Command line; see the module docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model-type", nargs="+", default=["internvl2-2b"])
    parser.add_argument("--tokenizer", type=Path, nargs="+", required=True, help="for each model type its family's")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--tp", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--layers", type=int, help="most layers of language model and tower; all by default")
    parser.add_argument("--head-parts", type=int, default=1, help="smaller heads, as float32 needs them on a GPU")
    parser.add_argument("--eager", action="store_true", help="without CUDA graphs, which take time to capture")
    parser.add_argument("--blocks", type=int, help="blocks of 64 tokens in the cache of keys and values")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--folder", type=Path, help="a smaller model in place of the true shape, to try this program")
    args = parser.parse_args()
    if len(args.model_type) != len(args.tokenizer):
        parser.error("Give a tokenizer for each model type.")
    if args.folder is not None and len(args.model_type) > 1:
        parser.error("Give one model type with --folder.")
    return one_type(args) if len(args.model_type) == 1 else several_types(args)


if __name__ == "__main__":
    raise SystemExit(main())
