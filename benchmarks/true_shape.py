"""Loads a model type's true shape with random weights and measures answers: a picture, a text, many texts at once.

    python benchmarks/true_shape.py --model-type internvl2-2b --tokenizer FOLDER --out RESULTS.json

The official weights are not needed: the shape comes from the manifest, the values are seeded draws, and any tokenizer
of the family serves (its ids only have to lie inside the vocabulary). Answers are noise; times and memory are real.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.engine.options import EngineOptions
from vlmplug.pipeline import Pipeline, Request, open_pipeline
from vlmplug.registry import load_registry
from vlmplug.run_record import write_run_record
from vlmplug.sampling import Answer, Sampling
from vlmplug.shape_folder import write_shape_folder
from vlmplug.verify.forward_cases import EngineChoice
from vlmplug.verify.record import records_folder, true_shape_record

ROUNDS = 5


def shape_folder(model_type: str, tokenizer: Path) -> Path:
    """A model folder without weights, which stays: the true config.json of a model type and the given tokenizer."""
    folder = Path(tempfile.mkdtemp(prefix="vlmplug-shape-"))
    write_shape_folder(load_registry(), model_type, tokenizer, folder)
    return folder


def picture(width: int, height: int, seed: int) -> Any:
    """A noise picture of a given size, uint8 [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def request(text: str, tokens: int, image: Any = None) -> Request:
    """A greedy request of exactly ``tokens`` new tokens."""
    images = () if image is None else (image,)
    sampling = Sampling(max_new_tokens=tokens, ignore_stop=True)
    return Request(Conversation((user_message(text, images),)), PromptOptions(placement="beside"), sampling)


def single(pipeline: Pipeline, make: Any) -> dict[str, Any]:
    """Medians over the rounds of one request at a time; another picture each round, so that no cache helps."""
    answers = [pipeline.generate(make(number)) for number in range(ROUNDS + 1)][1:]
    return {
        "prompt_tokens": answers[0].prompt_tokens,
        "media_tokens": answers[0].media_tokens,
        "new_tokens": answers[0].generated_tokens,
        "prepare_seconds": statistics.median(answer.timings.prepare for answer in answers),
        "first_token_seconds": statistics.median(
            answer.timings.prepare + answer.timings.first_token for answer in answers
        ),
        "decode_tokens_per_second": statistics.median(answer.tokens_per_second for answer in answers),
        "first_ids": list(answers[0].token_ids[:8]),
    }


def together(pipeline: Pipeline, requests: list[Request]) -> dict[str, Any]:
    """Generated tokens per second of many requests sent at once."""
    pipeline.generate_batch(requests)
    start = time.perf_counter()
    answers = pipeline.generate_batch([replace(one) for one in requests])
    seconds = time.perf_counter() - start
    done = [answer for answer in answers if isinstance(answer, Answer)]
    tokens = sum(answer.generated_tokens for answer in done)
    return {"requests": len(requests), "answered": len(done), "seconds": seconds, "tokens_per_second": tokens / seconds}


def measure(pipeline: Pipeline, tokens: int, many: int) -> dict[str, Any]:
    """All figures of a loaded model."""
    import torch

    text = "Count slowly and describe every number that you meet on the way."
    return {
        "memory_gib": torch.cuda.memory_reserved() / 2**30 if torch.cuda.is_available() else None,
        "text": single(pipeline, lambda n: request(f"{n}. {text}", tokens)),
        "picture_720p": single(pipeline, lambda n: request(text, tokens, picture(1280, 720, n))),
        "texts_at_once": together(pipeline, [request(f"{n}. {text}", tokens) for n in range(many)]),
        "pictures_at_once": together(
            pipeline, [request(text, tokens, picture(640, 480, 100 + n)) for n in range(max(1, many // 8))]
        ),
    }


def machine() -> dict[str, Any]:
    """What a reader needs to judge the figures."""
    import torch

    names = ("vlmplug", "lmdeploy", "torch", "transformers", "triton")
    return {
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": "python " + " ".join(["benchmarks/true_shape.py", *sys.argv[1:]]),
    }


def record(results: dict[str, Any], args: argparse.Namespace, dtype: Any) -> Path:
    """Records beside the plugin's manifest that the shape answers; see docs/verification.md."""
    batches = [results["texts_at_once"], results["pictures_at_once"]]
    answered = 2 * (ROUNDS + 1) + sum(batch["answered"] for batch in batches)
    missed = sum(batch["requests"] - batch["answered"] for batch in batches)
    command = f"python benchmarks/true_shape.py --model-type {args.model_type} --tokenizer {args.tokenizer.name}"
    registry, engine = load_registry(), EngineChoice(args.device, dtype, tp=args.tp)
    made = true_shape_record(registry, args.model_type, engine, (answered, missed), f"{command} --record")
    return write_run_record(made, args.record_folder or records_folder(registry, made.family))


def version(name: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def main() -> None:
    """Command line; see the module docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model-type", default="internvl2-2b")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder with tokenizer files of the family")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--tp", type=int, default=1, help="GPUs that share the language model")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--many", type=int, default=64)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--record", action="store_true", help="record the run beside the plugin's manifest")
    parser.add_argument("--record-folder", type=Path, help="record it into this folder instead")
    args = parser.parse_args()
    start = time.perf_counter()
    options = EngineOptions(device=args.device, tp=args.tp, weights="random", seed=0)
    with open_pipeline(args.model_type, shape_folder(args.model_type, args.tokenizer), options) as pipeline:
        loaded = time.perf_counter() - start
        results = {**machine(), "model_type": args.model_type, "load_seconds": loaded}
        results |= measure(pipeline, args.tokens, args.many)
        dtype = pipeline.model.dtype if results["gpu"] and args.device != "cpu" else "float32"
    text = json.dumps(results, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    if args.record or args.record_folder:
        print(f"recorded: {record(results, args, dtype)}", file=sys.stderr)


if __name__ == "__main__":
    main()
