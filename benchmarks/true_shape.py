"""Loads a model type's true shape with random weights and measures answers: a picture, a text, many of either at once.

    python benchmarks/true_shape.py --model-type internvl2-2b --tokenizer FOLDER --out RESULTS.json
    python benchmarks/true_shape.py --model-type glm4v-9b-chat --tokenizer FOLDER --against-text-model --cache-gib 24

The official weights are not needed: the shape comes from the manifest, the values are seeded draws, and any tokenizer
of the family serves (its ids only have to lie inside the vocabulary). Answers are noise; times and memory are real.

With ``--against-text-model`` the family's language model alone runs in plain lmdeploy beside it, on the same GPU
(``text_model.py``), and both take turns with texts. A ratio above 1 says how many times faster vlmplug is.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.turns import ROUNDS, Bound, Process, compare
from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.pipeline import Pipeline, Request, open_pipeline, open_preparer
from vlmplug.registry import load_registry
from vlmplug.run_record import write_run_record
from vlmplug.sampling import Answer, Sampling
from vlmplug.shape_folder import write_shape_folder
from vlmplug.verify.forward_cases import EngineChoice
from vlmplug.verify.record import records_folder, true_shape_record

#: Tokens of a block of keys and values, and those that each of many pictures asks for.
BLOCK, PICTURE_TOKENS = 64, 16
#: Of the cache of the text model that is run beside a family's, in GiB.
TEXT_CACHE = 8


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


def single(pipeline: Pipeline, make: Callable[[int], Request], rounds: int) -> dict[str, Any]:
    """Medians over the rounds of one request at a time; another picture each round, so that no cache helps."""
    answers = [pipeline.generate(make(number)) for number in range(rounds + 1)][1:]
    return {
        "answered": rounds + 1,
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
    """Generated tokens per second of many requests sent at once; what went wrong is shown and counted."""
    start = time.perf_counter()
    answers = pipeline.generate_batch(requests)
    seconds = time.perf_counter() - start
    done = [answer for answer in answers if isinstance(answer, Answer)]
    tokens = sum(answer.generated_tokens for answer in done)
    return {
        "requests": len(requests),
        "answered": len(done),
        "errors": sorted({str(answer) for answer in answers if not isinstance(answer, Answer)}),
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
    }


def measure(pipeline: Pipeline, args: argparse.Namespace) -> dict[str, Any]:
    """All figures of a loaded model."""
    import torch

    text, tokens, many = "Count slowly and describe every number that you meet on the way.", args.tokens, args.many
    texts = [request(f"{n}. {text}", tokens) for n in range(many)]
    pictures = [request(text, PICTURE_TOKENS, picture(640, 480, 100 + n)) for n in range(many)]
    found: dict[str, Any] = {
        "memory_gib": torch.cuda.memory_reserved() / 2**30 if torch.cuda.is_available() else None,
        "text": single(pipeline, lambda n: request(f"{n}. {text}", tokens), args.rounds),
        "picture_720p": single(pipeline, lambda n: request(text, tokens, picture(1280, 720, n)), args.rounds),
    }
    together(pipeline, texts)  # compiles
    found |= {"texts_at_once": together(pipeline, texts), "pictures_at_once": together(pipeline, pictures)}
    return {**found, "peak_memory_gib": torch.cuda.max_memory_reserved() / 2**30 if found["memory_gib"] else None}


def against(pipeline: Pipeline, theirs: Process, rounds: int) -> dict[str, Any]:
    """Texts in turn with the same language model in plain lmdeploy."""
    from benchmarks.text_model import TOKENS, WORKLOADS, stories, timed

    def answer(count: int) -> dict[str, Any]:
        start = time.perf_counter()
        answers = pipeline.generate_batch([request(story, TOKENS) for story in stories(count)])
        done = [answer for answer in answers if isinstance(answer, Answer)]
        return timed(start, sum(a.prompt_tokens for a in done), sum(a.generated_tokens for a in done))

    ours = Bound({name: partial(answer, count) for name, count in WORKLOADS.items()}, "text")
    return {name: compare(ours, theirs, name, rounds) for name in WORKLOADS}


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
    answered = sum(results[name]["answered"] for name in ("text", "picture_720p"))
    answered += sum(batch["answered"] for batch in batches)
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


def kv_blocks(folder: Path, args: argparse.Namespace, gib: float) -> int:
    """Blocks of keys and values that fit into so much memory."""
    from vlmplug.engine.settings import GIB, cache_bytes_per_token

    model = open_preparer(args.model_type, folder).model
    dtype = "float32" if args.device == "cpu" else "bfloat16"
    return max(16, int(gib * GIB) // (BLOCK * cache_bytes_per_token(model.text_config, dtype)))


def run(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """All figures of a model type, and the data type that it ran in."""
    from vlmplug.engine.device import choose_device, choose_dtype

    folder, start = args.folder or shape_folder(args.model_type, args.tokenizer), time.perf_counter()
    blocks = None if args.cache_gib is None else kv_blocks(folder, args, args.cache_gib)
    # plain lmdeploy reuses no prefixes unless it is told to
    scheduler = SchedulerOptions(kv_blocks=blocks, block_size=BLOCK, prefix_caching=not args.against_text_model)
    options = EngineOptions(device=args.device, tp=args.tp, weights="random", seed=0, scheduler=scheduler)
    device = choose_device(options)
    dtype = choose_dtype(options, open_preparer(args.model_type, folder).model.dtype, device)
    theirs = started(args, folder, device, dtype) if args.against_text_model else None
    try:
        with open_pipeline(args.model_type, folder, options) as pipeline:
            results = {**machine(), "model_type": args.model_type, "dtype": dtype}
            results |= {"load_seconds": time.perf_counter() - start, "weights_gib": weights_gib(pipeline, dtype)}
            quiet = theirs.loaded if theirs is not None else None  # while it loads, nothing is measured
            results |= {"text_model_load_seconds": quiet, **measure(pipeline, args)}
            if theirs is not None:
                results["against_text_model"] = against(pipeline, theirs, args.rounds)
    finally:
        if theirs is not None:
            theirs.end()
    return results, dtype


def started(args: argparse.Namespace, folder: Path, device: str, dtype: str) -> Process:
    """The text model, which loads while the family's model does."""
    from benchmarks import text_model

    blocks = kv_blocks(folder, args, TEXT_CACHE if device == "cuda" else 0.125)
    [story] = text_model.stories(1)
    length = len(open_preparer(args.model_type, folder).prepare(request(story, 1)).engine_input.input_ids)
    return text_model.started(args.model_type, folder, dtype, device, blocks, length)


def weights_gib(pipeline: Pipeline, dtype: str) -> float:
    """What the weights take."""
    from vlmplug.engine.settings import BYTES, GIB
    from vlmplug.engine.weights import parameter_bytes

    return parameter_bytes(pipeline.model, BYTES[dtype]) / GIB


def main() -> None:
    """Command line; see the module docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model-type", default="internvl2-2b")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder with tokenizer files of the family")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--tp", type=int, default=1, help="GPUs that share the language model")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--many", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--cache-gib", type=float, help="memory for keys and values; without it most of what is free")
    parser.add_argument("--against-text-model", action="store_true", help="beside plain lmdeploy; needs --cache-gib")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--record", action="store_true", help="record the run beside the plugin's manifest")
    parser.add_argument("--record-folder", type=Path, help="record it into this folder instead")
    parser.add_argument("--folder", type=Path, help="a smaller model in place of the true shape, to try this program")
    args = parser.parse_args()
    if args.against_text_model and args.cache_gib is None:
        parser.error("--against-text-model needs --cache-gib: both would take what is free.")
    if args.folder and (args.record or args.record_folder):
        parser.error("A run of another shape is no record of the true one.")
    results, dtype = run(args)
    text = json.dumps(results, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    if args.record or args.record_folder:
        print(f"recorded: {record(results, args, dtype)}", file=sys.stderr)


if __name__ == "__main__":
    main()
