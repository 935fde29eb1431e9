"""Trains a family's tiny model from nothing, or goes on with ``--resume``; bounded by time.

    python -m training.families.train glm4v-tiny --minutes 4.5 --state state --graph --compile

Leaves the state in a folder of the family's name below ``--state``, and beside it the files of the checkpoint; prints
the loss and the accuracy on held-out questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import torch

from training.accuracy import Score, Scores, teacher_forced
from training.families.checkpoint import fingerprint, write_files
from training.families.contents import kinds
from training.families.data import FamilyPool, Stock, fresh_blocks
from training.families.description import TinyFamily
from training.families.index import FAMILIES
from training.families.model import FamilyNetwork, new_network
from training.families.packing import Layout
from training.families.prompts import Prompter
from training.feed import Batch, Feed, batches_of
from training.state import Trainee
from training.train import Options, Reporter, compile_layers, options_parser, rounded, say, stream_name, train

FILES = "files"
#: Blocks that the running check uses; they are made before anything is trained.
CHECK_BLOCKS = 12


@dataclass(frozen=True)
class Run:
    """One family's run; ``prompter``: its hooks on the checkpoint's files."""

    family: TinyFamily
    options: Options
    prompter: Prompter

    @classmethod
    def of(cls, family: TinyFamily, options: Options) -> Run:
        """Writes the checkpoint's files, which training needs too."""
        files = options.state / family.name / FILES
        write_files(family, files)
        return cls(
            family, replace(options, state=options.state / family.name, tokenizer=files), Prompter(family, files)
        )

    def pool(self) -> FamilyPool:
        options = self.options
        stream = f"training/{stream_name(options)}"
        return FamilyPool(Stock(options.tokenizer, stream, options.workers, options.pool, self.family))

    def trainee(self) -> Trainee[FamilyNetwork]:
        """A new model, or the one of the state.

        :raises ValueError: the state was trained with other files.
        """
        options, known = self.options, fingerprint(self.options.tokenizer)
        network = new_network(self.family, self.prompter.model)
        trainee = Trainee(network.to(options.device), options.weight_decay)
        if options.resume:
            trainee.load(options.state)
            trainee.progress.check_tokenizer(known)
        trainee.progress.tokenizer = known
        if options.compiled:
            compile_layers(trainee.model)
        return trainee

    def batches(self, stream: str) -> Iterator[Batch]:
        """Endless batches of held-out questions."""
        options, room = self.options, Layout.of(self.family).features
        blocks = fresh_blocks(self.prompter, stream)
        for _ in count():
            yield from batches_of([next(blocks) for _ in range(options.blocks)], options.blocks, options.device, room)


def final_scores(run: Run, trainee: Trainee[FamilyNetwork]) -> Scores:
    """Accuracy of the averaged weights, rounded to bfloat16 as they are exported and computed with in float32."""
    model = rounded(trainee.averaged).float().eval()
    total: Scores = dict.fromkeys(kinds(run.family), Score(0, 0))
    for batch in run.batches("final"):
        for kind, score in teacher_forced(model, [batch]).items():
            total[kind] = Score(total[kind].right + score.right, total[kind].total + score.total)
        if all(score.total >= run.options.final for score in total.values()):
            break
    return total


def run_training(run: Run) -> Trainee[FamilyNetwork]:
    """Trains until the time is up, and leaves the state."""
    options, pool = run.options, run.pool()
    pool.start()
    try:
        held_out = run.batches("held out")
        checks = [next(held_out) for _ in range(-(-CHECK_BLOCKS // options.blocks))]
        torch.backends.cuda.enable_cudnn_sdp(False)
        trainee = run.trainee()
        pool.wait(0.5)
        size = sum(parameter.numel() for parameter in trainee.model.parameters())
        say(f"{run.family.name}: {size} parameters on {options.device}, pool ready")
        feed = iter(Feed(pool, options.blocks, options.device))
        train(options, trainee, feed, Reporter(options, trainee, pool, checks))
    finally:
        pool.stop()
    trainee.save(options.state)
    say(f"state saved after {trainee.progress.steps} steps")
    return trainee


def parse(arguments: Sequence[str] | None = None) -> Run:
    parser = options_parser(__doc__)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.set_defaults(minutes=4.5, tokenizer=Path())
    chosen = vars(parser.parse_args(arguments))
    family = FAMILIES[chosen.pop("family")]
    return Run.of(family, Options(**chosen))


def main(arguments: Sequence[str] | None = None) -> None:
    run = parse(arguments)
    trainee = run_training(run)
    for kind, score in final_scores(run, trainee).items():
        say(f"every token right, {kind}: {score}")


if __name__ == "__main__":
    main()
