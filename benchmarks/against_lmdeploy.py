"""The same requests to vlmplug and to plain ``lmdeploy.pipeline``, side by side on one GPU.

    python benchmarks/against_lmdeploy.py --model-type internvl2-2b --tokenizer FOLDER --out RESULTS.json

Both load the same random checkpoint of the true shape, each in a process of its own, and take turns: a warm-up, then
five rounds of every workload, the order swapped each round. A ratio above 1 says how many times faster vlmplug is;
the median of the rounds counts.

In each round both engines' threads are bound to the same processor, in the next one to another (``turns.py``).

Both get the same prompts, to the token: the folder's chat template is the plugin's own prompt. Rounds repeat their
requests, so neither side may keep what it computed: prefix caching is off, as it is by default in lmdeploy.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.turns import Bound, Process, compare, serve

TEXT = "Describe the image."
STORY = "Count slowly and describe every number that you meet on the way."


@dataclass(frozen=True)
class Ask:
    """One request: its text, its pictures' files, and how many tokens to generate."""

    text: str
    images: tuple[str, ...] = ()
    tokens: int = 128


@dataclass(frozen=True)
class Count:
    """Tokens of several requests: of their prompts, media included, and generated."""

    prompt: int
    generated: int


class Side(Protocol):
    """One of the two programs."""

    def answer(self, asks: list[Ask]) -> Count:
        """Answers all at once."""

    def first_token(self, ask: Ask) -> float:
        """Seconds until the first token of one request."""


class Ours:
    """vlmplug."""

    def __init__(self, folder: Path, model_type: str, device: str, blocks: int) -> None:
        from vlmplug.engine.options import EngineOptions, SchedulerOptions
        from vlmplug.pipeline import open_pipeline

        options = EngineOptions(device, scheduler=SchedulerOptions(kv_blocks=blocks, prefix_caching=False))
        self.pipeline = open_pipeline(model_type, folder, options)

    def _request(self, ask: Ask) -> Any:
        from vlmplug.conversation import Conversation, PromptOptions, user_message
        from vlmplug.pipeline import Request
        from vlmplug.sampling import Sampling

        message = user_message(ask.text, tuple(Path(file) for file in ask.images))
        sampling = Sampling(max_new_tokens=ask.tokens, ignore_stop=True)
        return Request(Conversation((message,)), PromptOptions(placement="beside"), sampling)

    def answer(self, asks: list[Ask]) -> Count:
        """As `Side`."""
        answers = self.pipeline.generate_batch([*map(self._request, asks)])
        return Count(sum(one.prompt_tokens for one in answers), sum(one.generated_tokens for one in answers))

    def first_token(self, ask: Ask) -> float:
        """As `Side`."""
        start = time.perf_counter()
        for delta in self.pipeline.stream(self._request(ask)):
            if delta.token_ids:
                seconds = time.perf_counter() - start
                break
        return seconds


class Theirs:
    """Plain lmdeploy; only a configuration class is registered, so that it needs no remote code."""

    def __init__(self, folder: Path, model_type: str, device: str, blocks: int) -> None:
        from lmdeploy import PytorchEngineConfig, pipeline

        _register_config()
        self.pipeline = pipeline(
            str(folder),
            backend_config=_cpu_config(blocks)
            if device == "cpu"
            else PytorchEngineConfig(num_gpu_blocks=blocks, enable_prefix_caching=False),
            log_level="ERROR",
        )

    def _prompt(self, ask: Ask) -> Any:
        parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": file}} for file in ask.images]
        return [{"role": "user", "content": [*parts, {"type": "text", "text": ask.text}]}]

    def _config(self, ask: Ask) -> Any:
        from lmdeploy import GenerationConfig

        return GenerationConfig(max_new_tokens=ask.tokens, ignore_eos=True, do_sample=False)

    def answer(self, asks: list[Ask]) -> Count:
        """As `Side`."""
        answers = self.pipeline([*map(self._prompt, asks)], gen_config=self._config(asks[0]))
        return Count(sum(one.input_token_len for one in answers), sum(one.generate_token_len for one in answers))

    def first_token(self, ask: Ask) -> float:
        """As `Side`."""
        start = time.perf_counter()
        stream = self.pipeline.stream_infer(self._prompt(ask), gen_config=self._config(ask))
        seconds = 0.0
        for output in stream:
            if output.generate_token_len and not seconds:
                seconds = time.perf_counter() - start
        return seconds


def _register_config() -> None:
    from transformers import AutoConfig, PretrainedConfig

    class LanguageConfig(PretrainedConfig):  # type: ignore[misc]
        def __init__(self, rope_scaling: Any = None, **fields: Any) -> None:
            super().__init__(**fields)
            self.rope_scaling = rope_scaling

    class InternVLChatConfig(PretrainedConfig):  # type: ignore[misc]
        model_type = "internvl_chat"

        def __init__(self, vision_config: Any = None, llm_config: Any = None, **fields: Any) -> None:
            self.vision_config = PretrainedConfig(**(vision_config or {}))
            self.llm_config = LanguageConfig(**(llm_config or {}))
            super().__init__(**fields)

    AutoConfig.register("internvl_chat", InternVLChatConfig)


def _cpu_config(blocks: int) -> Any:
    """For trying this script where no GPU is; its figures mean nothing there."""
    from vlmplug.engine.cpu.config import CpuEngineOptions, cpu_engine_config
    from vlmplug.engine.start import prepare_lmdeploy

    prepare_lmdeploy()
    options = CpuEngineOptions(kv_cache_bytes=0, num_blocks=blocks, block_size=64, threads=1, dtype="bfloat16")
    return cpu_engine_config(options)


def workloads(folder: Path, many: int) -> dict[str, Callable[[Side], dict[str, float]]]:
    """Name -> what a round of it does; makes the picture files."""
    from vlmplug.bench.photos import photos

    small = [str(file) for file in photos(folder, [(1280, 720)] * max(many, 4))]
    large = [str(file) for file in photos(folder, [(4000, 3000)] * many)]
    seed = [Ask(TEXT, (small[0],)), Ask("who are you?"), Ask("What is the difference?", (small[1], small[0]))]
    return {
        "text": lambda side: _timed(side, [Ask(STORY)]),
        "picture_720p": lambda side: _timed(side, [Ask(TEXT, (small[2],))]),
        "seed_three_requests": lambda side: _timed(side, seed),
        "texts": lambda side: _timed(side, [Ask(f"{n}. {STORY}") for n in range(many)]),
        "pictures_720p": lambda side: _timed(side, [Ask(TEXT, (file,)) for file in small[:many]]),
        "pictures_12mp": lambda side: _timed(side, [Ask(TEXT, (file,), 16) for file in large]),
        "first_token_720p": lambda side: {"seconds": side.first_token(Ask(TEXT, (small[3],)))},
    }


def _timed(side: Side, asks: list[Ask]) -> dict[str, float]:
    start = time.perf_counter()
    tokens = side.answer(asks)
    seconds = time.perf_counter() - start
    counted = {"prompt_tokens": tokens.prompt, "tokens": tokens.generated}
    return {"seconds": seconds, **counted, "tokens_per_second": tokens.generated / seconds}


def serve_side(args: argparse.Namespace) -> None:
    """One side, as the child process of this program."""
    start = time.perf_counter()
    make = {"ours": Ours, "theirs": Theirs}[args.side]
    side: Side = make(args.folder, args.model_type, args.device, args.blocks)
    known = {name: partial(work, side) for name, work in workloads(args.pictures, args.many).items()}
    loaded = time.perf_counter() - start
    serve(loaded, Bound(known, "text"))


def started(side: str, args: argparse.Namespace) -> Process:
    """One side as a child process, loaded."""
    command = [__file__, "--side", side, "--folder", args.folder, "--pictures", args.pictures]
    command += ["--model-type", args.model_type, "--device", args.device]
    process = Process([*command, "--blocks", args.blocks, "--many", args.many])
    _ = process.loaded  # one after the other: both would draw on the same processors
    return process


def main() -> None:
    """Command line; see the module docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model-type", default="internvl2-2b")
    parser.add_argument("--tokenizer", type=Path, help="folder with tokenizer files of the family")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--blocks", type=int, default=3000, help="blocks of 64 tokens in each KV cache")
    parser.add_argument("--many", type=int, default=64)
    parser.add_argument("--only", nargs="*", help="names of workloads")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--pictures", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        serve_side(args)
        return
    from benchmarks.shape_checkpoint import write_weights
    from benchmarks.true_shape import machine, shape_folder

    if args.folder is None:
        args.folder = shape_folder(args.model_type, args.tokenizer)
        write_weights(args.model_type, args.folder, args.device)
    args.pictures = args.pictures or Path(tempfile.mkdtemp(prefix="vlmplug-photos-"))
    known = list(workloads(args.pictures, args.many))  # the files are there before both sides read them
    names = args.only or known
    ours, theirs = started("ours", args), started("theirs", args)
    results = {**machine(), "command": " ".join(["python", "benchmarks/against_lmdeploy.py", *sys.argv[1:]])}
    results |= {"model_type": args.model_type, "load_seconds": {"ours": ours.loaded, "theirs": theirs.loaded}}
    for name in names:
        results[name] = compare(ours, theirs, name)
        print(name, round(results[name]["ratio"], 3), flush=True)
        if args.out:  # after each one, for runs that are cut short
            args.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
