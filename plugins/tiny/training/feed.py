"""Batches on the model's device, put together ahead of time by a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from random import Random

import numpy as np
import torch
from torch import Tensor

from training.packing import LAYOUT, TILES, Block, Layout
from training.pool import Pool
from training.tiles import TOKENS

Batch = dict[str, Tensor]

#: Columns that training itself does not read.
REPORTING = ("answers", "kinds")

#: Answers of one block are numbered below this.
MOST_ANSWERS = 4096


def staged(blocks: int, pinned: bool, layout: Layout = LAYOUT) -> Batch:
    """Host memory for a batch: every column [blocks, ...]."""
    types = {np.int32: torch.int32, np.uint8: torch.uint8}
    return {
        name: torch.empty((blocks, *shape), dtype=types[kind], pin_memory=pinned)
        for name, (shape, kind) in layout.items()
    }


def views(staging: Batch, index: int) -> Block:
    return {name: column[index].numpy() for name, column in staging.items()}


def merged(columns: Mapping[str, Tensor], room: int = TILES * TOKENS) -> Batch:
    """Blocks [n, rows, ...] as one batch [n * rows, ...], picture tokens and answers numbered over all.

    :param room: picture tokens that a block has room for.
    """
    batch = {name: column if column.dtype == torch.uint8 else column.long() for name, column in columns.items()}
    number = torch.arange(len(batch["tokens"]), device=batch["tokens"].device)[:, None, None]
    features = batch["features"]
    batch["features"] = torch.where(features >= 0, features + number * room, features)
    if "answers" in batch:
        batch["answers"] = batch["answers"] + number * MOST_ANSWERS
    return {name: column.flatten(0, 1) for name, column in batch.items()}


def batches_of(blocks: Sequence[Block], size: int, device: torch.device, room: int = TILES * TOKENS) -> list[Batch]:
    """Held-out blocks as batches of ``size`` blocks, kept on the device."""
    parts = [blocks[start : start + size] for start in range(0, len(blocks), size)]
    stacks = [{name: torch.from_numpy(np.stack([block[name] for block in part])) for name in part[0]} for part in parts]
    return [merged({name: column.to(device) for name, column in stack.items()}, room) for stack in stacks]


class Feed:
    """An endless iterator of training batches of ``blocks`` blocks each."""

    def __init__(self, pool: Pool, blocks: int, device: torch.device) -> None:
        self.pool, self.blocks, self.device = pool, blocks, device
        self.ready: queue.Queue[tuple[Batch, torch.cuda.Event | None]] = queue.Queue(2)
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def load(self, rng: Random, staging: Batch) -> None:
        for index in range(self.blocks):
            self.pool.take(rng, views(staging, index))

    def upload(self, staging: Batch) -> Batch:
        wanted = {name: column for name, column in staging.items() if name not in REPORTING}
        # A copy also where the device is the processor: the next batch overwrites the staging memory.
        return merged(
            {name: column.to(self.device, non_blocking=True, copy=True) for name, column in wanted.items()},
            self.pool.features,
        )

    def work(self) -> None:
        rng = Random(self.pool.supply.stream)
        on_gpu = self.device.type == "cuda"
        stream = torch.cuda.Stream(self.device) if on_gpu else None
        staging = staged(self.blocks, on_gpu, self.pool.layout)
        while True:
            self.load(rng, staging)
            with torch.cuda.stream(stream):
                batch = self.upload(staging)
                event = stream.record_event() if stream else None
            if event:
                event.synchronize()
            self.ready.put((batch, event))

    def next_batch(self) -> tuple[Batch, torch.cuda.Event | None]:
        """:raises RuntimeError: the thread ended."""
        while True:
            try:
                return self.ready.get(timeout=20)
            except queue.Empty:
                if not self.thread.is_alive():
                    raise RuntimeError("The thread that loads batches ended; its message is above.") from None

    def __iter__(self) -> Iterator[Batch]:
        while True:
            batch, event = self.next_batch()
            if event:
                stream = torch.cuda.current_stream(self.device)
                stream.wait_event(event)
                for column in batch.values():
                    column.record_stream(stream)
            yield batch
