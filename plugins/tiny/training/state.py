"""What a run leaves behind so that another can go on: five files, each of one number a parameter at most."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import AdamW

#: The model that is trained.
M = TypeVar("M", bound=nn.Module)

#: Files of a state, and the optimizer's names for its two moments.
WEIGHTS, AVERAGE, PROGRESS = "weights.safetensors", "average.safetensors", "progress.json"
MOMENTS = {"exp_avg": "moment1.safetensors", "exp_avg_sq": "moment2.safetensors"}

#: Share of the old average kept at each step.
DECAY = 0.999


@dataclass(slots=True)
class Progress:
    """Steps, rows and seconds so far, how many runs they took, and the tokenizer's fingerprint."""

    steps: int = 0
    rows: int = 0
    seconds: float = 0.0
    runs: int = 0
    tokenizer: str = ""

    def check_tokenizer(self, fingerprint: str) -> None:
        """:raises ValueError: the state was trained with another tokenizer."""
        if self.tokenizer != fingerprint:
            raise ValueError("The state was trained with another tokenizer than the one given.")


def read_progress(folder: Path) -> Progress:
    return Progress(**json.loads((folder / PROGRESS).read_text(encoding="utf-8")))


class Trainee(Generic[M]):
    """A model with its optimizer, its running average and its progress."""

    def __init__(self, model: M, weight_decay: float) -> None:
        self.model = model
        self.averaged = copy.deepcopy(model).requires_grad_(False)
        self.optimizer = new_optimizer(model, weight_decay)
        self.progress = Progress()

    @torch.no_grad()
    def count(self, rows: int) -> None:
        """Counts a step of so many rows and takes it into the average, which is shorter at first."""
        self.progress.steps += 1
        self.progress.rows += rows
        decay = min(DECAY, self.progress.steps / (self.progress.steps + 10))
        torch._foreach_lerp_(list(self.averaged.parameters()), list(self.model.parameters()), 1 - decay)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(parameters(self.model), folder / WEIGHTS)
        save_file(parameters(self.averaged), folder / AVERAGE)
        for key, file in MOMENTS.items():
            state = self.optimizer.state
            save_file({name: state[p][key] for name, p in self.model.named_parameters()}, folder / file)
        (folder / PROGRESS).write_text(json.dumps(asdict(self.progress), indent=2) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Goes on from a saved state.

        :raises OSError: a file is missing.
        """
        load_parameters(self.model, load_file(folder / WEIGHTS))
        load_parameters(self.averaged, load_file(folder / AVERAGE))
        self.progress = read_progress(folder)
        self.load_moments({key: load_file(folder / file) for key, file in MOMENTS.items()})

    def load_moments(self, moments: Mapping[str, Mapping[str, Tensor]]) -> None:
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        order = [names[p] for group in self.optimizer.param_groups for p in group["params"]]
        step = torch.tensor(float(self.progress.steps))
        state = {
            index: {"step": step.clone(), **{key: tensors[name] for key, tensors in moments.items()}}
            for index, name in enumerate(order)
        }
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})


#: Of whatever model.
AnyTrainee: TypeAlias = "Trainee[Any]"


def parameters(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().contiguous() for name, parameter in model.named_parameters()}


def load_parameters(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copies tensors into the parameters of the same names.

    :raises KeyError: a parameter has no tensor.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name])


def new_optimizer(model: nn.Module, weight_decay: float) -> AdamW:
    """AdamW; only matrices decay, and neither embeddings nor learned positions."""
    named = list(model.named_parameters())
    kept = [p for name, p in named if p.ndim < 2 or "embed" in name]
    decayed = [p for name, p in named if not (p.ndim < 2 or "embed" in name)]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
    on_gpu = named[0][1].is_cuda
    rate = torch.tensor(1e-3, device=named[0][1].device)  # a tensor, so that a CUDA graph reads its value of the moment
    return AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=on_gpu, capturable=on_gpu)
