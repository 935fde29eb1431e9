"""vlmplug's engine on the CPU against ``generate`` of transformers: the same weights, prompts and threads, in turn.

    python benchmarks/cpu.py --out RESULTS.json

Both hold the same language model in float32 in one process: the tiny model that vlmplug embeds, and one of about 100
million random weights. Each round answers the same prompts with both, greedily, in swapped order. A ratio above 1 says
how many times faster vlmplug is; the median of the rounds counts. ``work_ratio`` compares the processor's time instead
of the clock's, which other programs on the same cores disturb less. The ids of both are compared as well.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.shape_checkpoint import write_weights  # noqa: E402
from benchmarks.true_shape import machine  # noqa: E402
from vlmplug.engine.actor import EngineActor  # noqa: E402
from vlmplug.engine.options import EngineOptions, SchedulerOptions  # noqa: E402
from vlmplug.engine.request import EngineRequest  # noqa: E402
from vlmplug.engine.start import EngineStart  # noqa: E402
from vlmplug.model import EngineInput, FamilyModel  # noqa: E402
from vlmplug.pipeline import open_preparer  # noqa: E402
from vlmplug.sampling import Sampling  # noqa: E402

ROUNDS = 7
LAYOUT = ROOT / "tests" / "golden" / "internvl2" / "tiny_qwen2"
LANGUAGE = "language_model."
#: Of the larger model: 12 layers of 768, as GPT-2 and BERT have them.
LARGER: dict[str, int] = {
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "vocab_size": 32000,
}


@dataclass(frozen=True)
class Work:
    """What one round of a measurement answers: prompts of random ids, all at once."""

    prompts: int
    prompt_tokens: int
    new_tokens: int

    def draw(self, vocabulary: int, seed: int) -> list[list[int]]:
        """Other prompts each round, so that no cache helps."""
        drawn = torch.randint(vocabulary, (self.prompts, self.prompt_tokens), generator=torch.manual_seed(seed))
        ids: list[list[int]] = drawn.tolist()
        return ids


WORKS = {
    "prefill_512": Work(1, 512, 1),
    "decode": Work(1, 32, 64),
    "decode_8_at_once": Work(8, 32, 32),
}


@dataclass(frozen=True)
class Spent:
    """Seconds of the clock and of the processor that an answer took, and its ids."""

    clock: float
    work: float
    ids: list[list[int]]


class Side(Protocol):
    """One of the two programs."""

    def answer(self, prompts: Sequence[list[int]], tokens: int) -> list[list[int]]:
        """Generated ids of each prompt."""


class Ours:
    """vlmplug's engine, which runs in a thread of its own."""

    def __init__(self, model: FamilyModel, threads: int) -> None:
        scheduler = SchedulerOptions(prefix_caching=False)
        self.engine = EngineActor(EngineStart(model, EngineOptions("cpu", threads=threads, scheduler=scheduler)))

    def answer(self, prompts: Sequence[list[int]], tokens: int) -> list[list[int]]:
        """As `Side`."""
        sampling = Sampling(max_new_tokens=tokens, ignore_stop=True)
        begun = [self.engine.submit(EngineRequest(EngineInput(tuple(ids)), sampling)) for ids in prompts]
        for generation in begun:
            generation.wait()
        return [[number for step in generation for number in step.token_ids] for generation in begun]


class Theirs:
    """transformers with its defaults."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))["llm_config"]
        fields = {key: value for key, value in config.items() if key != "attn_implementation"}
        shape = AutoConfig.for_model(fields.pop("model_type"), **fields)
        weights = {key: value for file in folder.glob("*.safetensors") for key, value in load_file(file).items()}
        self.model: Any = AutoModelForCausalLM.from_config(shape, dtype=torch.float32).eval()
        self.model.load_state_dict({k.removeprefix(LANGUAGE): v for k, v in weights.items() if k.startswith(LANGUAGE)})
        self.model.generation_config.eos_token_id = None

    def answer(self, prompts: Sequence[list[int]], tokens: int) -> list[list[int]]:
        """As `Side`."""
        ids = torch.tensor(prompts)
        out = self.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False, pad_token_id=0
        )
        answered: list[list[int]] = out[:, ids.size(1) :].tolist()
        return answered


def larger_checkpoint() -> Path:
    """A folder in the InternVL layout with random weights of the larger shape and a tiny vision tower."""
    folder = Path(shutil.copytree(LAYOUT, tempfile.mkdtemp(prefix="vlmplug-larger-"), dirs_exist_ok=True))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["llm_config"] |= LARGER
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_weights("internvl2-1b", folder, "cpu")
    return folder


def measure(model_type: str, folder: Path | None, threads: int) -> dict[str, Any]:
    """All works of one model."""
    model = open_preparer(model_type, folder).model
    ours, theirs = Ours(model, threads), Theirs(model.folder)
    results: dict[str, Any] = {"weights": sum(weight.numel() for weight in theirs.model.parameters())}
    try:
        for name, work in WORKS.items():
            results[name] = compare(ours, theirs, work, model.text_config["vocab_size"])
            print(model_type, name, {key: results[name][key] for key in results[name] if key != "seconds"}, flush=True)
    finally:
        ours.engine.close()
    return results


def compare(ours: Side, theirs: Side, work: Work, vocabulary: int) -> dict[str, Any]:
    """All rounds of one work; the first one warms up."""
    rounds = [one_round(ours, theirs, work, work.draw(vocabulary, seed), seed % 2 == 1) for seed in range(ROUNDS + 1)]
    timed = rounds[1:]
    tokens = work.prompts * (work.new_tokens if work.new_tokens > 1 else work.prompt_tokens)
    return {
        "ratio": round(statistics.median(b.clock / a.clock for a, b in timed), 3),
        "work_ratio": round(statistics.median(b.work / a.work for a, b in timed), 3),
        "ours": round(tokens / statistics.median(a.clock for a, _ in timed), 1),
        "theirs": round(tokens / statistics.median(b.clock for _, b in timed), 1),
        "unit": "tokens/s",
        "rounds_with_equal_ids": f"{sum(a.ids == b.ids for a, b in rounds)} of {len(rounds)}",
        "seconds": [[round(a.clock, 4), round(b.clock, 4)] for a, b in timed],
    }


def one_round(ours: Side, theirs: Side, work: Work, prompts: list[list[int]], swapped: bool) -> tuple[Spent, Spent]:
    """What ours and theirs took for the same prompts."""
    if swapped:
        second, first = spent(theirs, work, prompts), spent(ours, work, prompts)
    else:
        first, second = spent(ours, work, prompts), spent(theirs, work, prompts)
    return first, second


def spent(side: Side, work: Work, prompts: list[list[int]]) -> Spent:
    """What one side takes."""
    clock, effort = time.perf_counter(), time.process_time()
    ids = side.answer(prompts, work.new_tokens)
    return Spent(time.perf_counter() - clock, time.process_time() - effort, ids)


def main() -> None:
    """Command line; see the module docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("tiny", "larger"), help="one of the two models")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = {**machine(), "dtype": "float32", "threads": args.threads, "rounds": ROUNDS}
    results["command"] = "python " + " ".join(["benchmarks/cpu.py", *sys.argv[1:]])
    if args.only != "larger":
        results["internvl2-tiny"] = measure("internvl2-tiny", None, args.threads)
    if args.only != "tiny":
        results["100M"] = measure("internvl2-1b", larger_checkpoint(), args.threads)
    if args.out:
        args.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
