"""Trains internvl2-tiny from nothing, or goes on with ``--resume``; bounded by time.

    python -m training.train --minutes 8.5 --state state
    python -m training.train --minutes 8.5 --state state --resume --peak 8e-4

Leaves the state (five files) in ``--state``; prints the loss and the accuracy on held-out questions.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from training.accuracy import Scores, free_run, held_out_cases, teacher_forced
from training.feed import Batch, Feed, batches_of
from training.model import TinyModel, checkpoint_config, new_model
from training.packing import ROWS
from training.pool import Pool, Supply, held_out_blocks
from training.schedule import Schedule
from training.state import AnyTrainee, M, Trainee, read_progress
from training.tokenizer import SPECIAL_TOKENS, Encoder
from training.update import GraphedUpdate, Update

#: Blocks that the running check uses.
CHECK_BLOCKS = 36


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; ``start``: when the process began, from which ``minutes`` count."""

    minutes: float
    state: Path
    tokenizer: Path
    resume: bool
    compiled: bool
    graph: bool
    peak: float
    warmup: int
    weight_decay: float
    blocks: int
    pool: int
    workers: int
    check_seconds: float
    final: int
    start: float = field(default_factory=time.monotonic)

    @property
    def device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def options_parser(description: str | None) -> argparse.ArgumentParser:
    """What every run can be told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--minutes", type=float, default=8.5, help="time for all but the final test")
    add("--state", type=Path, default=Path("state"), help="folder of the state files")
    add("--tokenizer", type=Path, default=Path("vlmplug_tiny/checkpoint"), help="folder of tokenizer.json")
    add("--resume", action="store_true", help="go on from --state")
    add("--compile", dest="compiled", action="store_true", help="compile the layers")
    add("--graph", action="store_true", help="run each update as one CUDA graph")
    add("--peak", type=float, default=1.5e-3, help="highest learning rate")
    add("--warmup", type=int, default=400, help="steps over which the learning rate rises")
    add("--weight-decay", type=float, default=0.05)
    add("--blocks", type=int, default=12, help=f"blocks of {ROWS} rows in a batch")
    add("--pool", type=int, default=1500, help="blocks kept ready")
    add("--workers", type=int, default=14, help="processes that make data")
    add("--check-seconds", type=float, default=30, help="time between checks")
    add("--final", type=int, default=200, help="questions of each kind in the final test")
    return parser


def parse() -> Options:
    return Options(**vars(options_parser(__doc__).parse_args()))


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def model_config(encoder: Encoder) -> dict[str, object]:
    ids = {token: encoder.encode(token)[0] for token in SPECIAL_TOKENS}
    return checkpoint_config(ids, encoder.tokenizer.get_vocab_size())


def compile_layers(model: nn.Module) -> None:
    """Compiles each layer by itself: layers of one kind share the code, so it takes seconds, not minutes."""
    for layers in (module for module in model.modules() if isinstance(module, nn.ModuleList)):
        for layer in layers:
            layer.compile(dynamic=False)


def shown(scores: Scores) -> str:
    return ", ".join(f"{kind} {100 * score.right / score.total:.1f}" for kind, score in scores.items())


def check(trainee: AnyTrainee, batches: list[Batch]) -> Scores:
    device = batches[0]["tokens"].device.type
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        return teacher_forced(trainee.averaged, batches)


class Reporter:
    """Says every so often how the run goes."""

    def __init__(self, options: Options, trainee: AnyTrainee, pool: Pool, batches: list[Batch]) -> None:
        self.options, self.trainee, self.pool, self.batches = options, trainee, pool, batches
        self.losses: list[Tensor] = []
        self.last = time.monotonic()

    def add(self, loss: Tensor, rate: float) -> None:
        self.losses.append(loss)
        if time.monotonic() - self.last >= self.options.check_seconds:
            self.report(rate)

    def report(self, rate: float) -> None:
        self.pool.check()
        if not self.losses:
            return
        loss = torch.stack(self.losses).mean().item()
        taken = time.monotonic() - self.last
        speed = f"{1000 * taken / len(self.losses):.1f} ms a step, {int(self.pool.made.sum())} samples made"
        say(f"step {self.trainee.progress.steps}, loss {loss:.4f}, rate {rate:.2e}, {speed}")
        say("  " + shown(check(self.trainee, self.batches)))
        self.trainee.save(self.options.state)
        self.losses.clear()
        self.last = time.monotonic()


def train(options: Options, trainee: AnyTrainee, feed: Iterator[Batch], reporter: Reporter) -> None:
    """Steps until the time is up."""
    update = GraphedUpdate(trainee) if options.graph else Update(trainee)
    begun, progress = time.monotonic(), trainee.progress
    schedule = Schedule(options.peak, options.start + 60 * options.minutes - begun, options.warmup)
    for number, batch in enumerate(feed):
        rate = schedule.rate(number)
        loss = update(batch, rate)
        reporter.add(loss, rate)
        if schedule.over:
            break
    progress.seconds += time.monotonic() - begun
    progress.runs += 1
    reporter.report(rate)


def rounded(model: M) -> M:
    """A copy with bfloat16 parameters; buffers (pixel statistics, rotary frequencies) stay float32."""
    copied = copy.deepcopy(model)
    for parameter in copied.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    return copied


def final_test(options: Options, trainee: Trainee[TinyModel], encoder: Encoder) -> None:
    """Greedy decoding with the averaged weights rounded to bfloat16, as they are exported."""
    model = rounded(trainee.averaged).eval()
    scores, mistakes = free_run(model, encoder, held_out_cases(options.final))
    for kind, score in scores.items():
        say(f"greedy, {kind}: {score}")
    for line in mistakes[:: max(1, len(mistakes) // 40)]:
        say("  " + line)


def new_trainee(options: Options, encoder: Encoder) -> Trainee[TinyModel]:
    trainee = Trainee(new_model(model_config(encoder)).to(options.device), options.weight_decay)
    if options.resume:
        trainee.load(options.state)
        trainee.progress.check_tokenizer(encoder.fingerprint)
    trainee.progress.tokenizer = encoder.fingerprint
    if options.compiled:
        compile_layers(trainee.model)
    return trainee


def stream_name(options: Options) -> str:
    """Names the seeds of this run: each resumed run sees new scenes."""
    if not options.resume:
        return "training/0"
    return f"training/{read_progress(options.state).runs}"


def main() -> None:
    options = parse()
    encoder = Encoder(options.tokenizer)
    pool = Pool(Supply(options.tokenizer, stream_name(options), options.workers, options.pool))
    pool.start()
    try:
        batches = batches_of(held_out_blocks(encoder, CHECK_BLOCKS), options.blocks, options.device)
        torch.backends.cuda.enable_cudnn_sdp(False)
        trainee = new_trainee(options, encoder)
        pool.wait(0.5)
        say(f"{sum(p.numel() for p in trainee.model.parameters())} parameters on {options.device}, pool ready")
        train(
            options,
            trainee,
            iter(Feed(pool, options.blocks, options.device)),
            Reporter(options, trainee, pool, batches),
        )
    finally:
        pool.stop()
    trainee.save(options.state)
    say(f"state saved after {trainee.progress.steps} steps")
    final_test(options, trainee, encoder)


if __name__ == "__main__":
    main()
