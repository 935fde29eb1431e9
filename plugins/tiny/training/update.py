"""One update of the weights: step by step, or as one CUDA graph that the processor starts with a single call."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.feed import Batch
from training.model import answer_loss
from training.state import AnyTrainee

#: Updates before a graph is captured, so that compilers and libraries have made all their choices.
WARMUP = 3


class Update:
    """Forward, backward, clipping, optimizer and running average; returns the loss without waiting for it."""

    def __init__(self, trainee: AnyTrainee) -> None:
        self.trainee = trainee

    def __call__(self, batch: Batch, rate: float) -> Tensor:
        self.set_rate(rate)
        self.trainee.optimizer.zero_grad(set_to_none=True)
        loss = self.learn(batch)
        self.trainee.count(len(batch["tokens"]))
        return loss

    def set_rate(self, rate: float) -> None:
        for group in self.trainee.optimizer.param_groups:
            group["lr"].fill_(rate)

    def learn(self, batch: Batch) -> Tensor:
        device = batch["tokens"].device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda", cache_enabled=False):
            loss = answer_loss(self.trainee.model(batch), batch["labels"])
        loss.backward()
        nn.utils.clip_grad_norm_(self.trainee.model.parameters(), 1.0)
        self.trainee.optimizer.step()
        return loss.detach()


class GraphedUpdate(Update):
    """The same, captured with the first batch and replayed with each later one, which must have its shapes."""

    def __init__(self, trainee: AnyTrainee) -> None:
        super().__init__(trainee)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.batch: Batch = {}
        self.loss = torch.zeros(())

    def __call__(self, batch: Batch, rate: float) -> Tensor:
        self.set_rate(rate)
        if self.graph is None:
            self.capture(batch)
        for name, column in self.batch.items():
            column.copy_(batch[name])
        if self.graph is not None:
            self.graph.replay()
        self.trainee.count(len(batch["tokens"]))
        return self.loss.clone()

    def capture(self, batch: Batch) -> None:
        self.batch = {name: column.clone() for name, column in batch.items()}
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARMUP):
                self.trainee.optimizer.zero_grad(set_to_none=True)
                self.learn(self.batch)
        torch.cuda.current_stream().wait_stream(side)
        self.trainee.optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = self.learn(self.batch)
