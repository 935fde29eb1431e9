"""Low-rank additions act on media rows alone, and every rank keeps its share of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lmdeploy.pytorch.nn.linear.base import LinearBase
from torch import Tensor, nn

from vlmplug.engine import partial_lora
from vlmplug.engine.awq import awq_obstacle
from vlmplug.engine.compatibility import check_lmdeploy
from vlmplug.engine.language_shapes import PARTIAL_LORA
from vlmplug.engine.partial_lora import PartialLora
from vlmplug.errors import EngineOptionError
from vlmplug.model import LowRank

INPUTS, RANK = 6, 3
ARCHITECTURE = "InternLM2ForCausalLM"
#: Query heads, key-value heads and their width of the layer for queries, keys and values.
HEADS, GROUPS, HEAD = 4, 2, 5


class Linear(LinearBase):  # type: ignore[misc]
    """A linear layer as lmdeploy's are: ``rank`` of ``tp``, cut by columns or by rows."""

    def __init__(self, outputs: Sequence[int], colwise: bool = True, rank: int = 0, tp: int = 1) -> None:
        nn.Module.__init__(self)
        self.dtype, self.device, self.colwise = torch.float32, torch.device("cpu"), colwise
        self.tp, self.tp_rank = tp, rank
        self.in_features = INPUTS if colwise else INPUTS // tp
        self.all_out_features = [size // tp if colwise else size for size in outputs]
        self.out_features = sum(self.all_out_features)
        self.lora_adapters = nn.ModuleDict()

    def weight_loader(self, param: Tensor, weight: Tensor, shard: Any = None) -> None:
        own = weight.chunk(self.tp, 0 if self.colwise else 1)[self.tp_rank]
        index = "qkv".index(shard) if isinstance(shard, str) else shard
        target = param.data if index is None else param.data.split(self.all_out_features)[index]
        target.copy_(own)

    def weight_spliter(self, weight: Tensor, layout: str) -> list[Tensor]:
        assert layout == "hgd"
        grouped = weight.unflatten(0, (GROUPS, HEADS // GROUPS + 2, HEAD))
        return [part.reshape(-1, RANK) for part in (grouped[:, :-2], grouped[:, -2], grouped[:, -1])]


class Steps:
    """lmdeploy's context manager, with one step."""

    def __init__(self, rows: list[int] | None = None) -> None:
        self.step = SimpleNamespace()
        if rows is not None:
            partial_lora.set_rows(self.step, torch.tensor(rows))  # type: ignore[arg-type]

    def current_context(self) -> SimpleNamespace:
        return self.step


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def addition(linear: Linear, layers: Sequence[str], scale: float = 1.0, rows: list[int] | None = None) -> PartialLora:
    return PartialLora(linear, layers, LowRank(RANK, scale), Steps(rows))  # type: ignore[arg-type]


def test_it_relies_on_what_lmdeploy_has() -> None:
    check_lmdeploy(partial_lora.NEEDED)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_it_adds_to_media_rows_and_to_no_others(scale: float) -> None:
    made = addition(Linear([7]), ["wo"], scale, rows=[1, 4])
    down, up, hidden = drawn(RANK, INPUTS), drawn(7, RANK, seed=1), drawn(1, 5, INPUTS, seed=2)
    made.load("wo", "A", down)
    made.load("wo", "B", up)
    out = made(hidden, torch.zeros(1, 5, 7))[0]
    assert torch.equal(out[[0, 2, 3]], torch.zeros(3, 7))
    assert torch.allclose(out[[1, 4]], scale * hidden[0, [1, 4]] @ down.T @ up.T, atol=1e-6)


def test_a_step_without_media_adds_nothing() -> None:
    made = addition(Linear([7]), ["wo"])
    out = drawn(1, 5, 7)
    assert torch.equal(made(drawn(1, 5, INPUTS), out.clone()), out)  # its weights are not even looked at


def test_layers_that_lmdeploy_keeps_as_one_have_an_addition_each() -> None:
    made = addition(Linear([4, 4]), ["w1", "w3"])
    parts = {
        name: (drawn(RANK, INPUTS, seed=seed), drawn(4, RANK, seed=seed + 5)) for seed, name in enumerate(made.layers)
    }
    for name, (down, up) in parts.items():
        made.load(name, "B", up)
        made.load(name, "A", down)
    hidden = drawn(2, INPUTS, seed=9)
    expected = torch.cat([hidden @ down.T @ up.T for down, up in parts.values()], -1)
    assert torch.allclose(made.addition(hidden), expected, atol=1e-6)


def test_queries_keys_and_values_leave_their_groups() -> None:
    made = addition(Linear([HEADS * HEAD, GROUPS * HEAD, GROUPS * HEAD]), ["wqkv"])
    rows = drawn((HEADS + 2 * GROUPS) * HEAD, RANK)
    made.load("wqkv", "B", rows)
    grouped = rows.unflatten(0, (GROUPS, -1, HEAD))
    assert torch.equal(made.B[:HEAD], grouped[0, 0]) and torch.equal(made.B[2 * HEAD : 3 * HEAD], grouped[1, 0])
    assert torch.equal(made.B[HEADS * HEAD :][:HEAD], grouped[0, -2])
    assert torch.equal(made.B[-HEAD:], grouped[1, -1])


@pytest.mark.parametrize(("layers", "outputs"), [(["w1", "w3"], [4, 4]), (["wqkv"], [20, 10, 10])])
def test_ranks_of_layers_cut_by_columns_have_their_columns(layers: list[str], outputs: list[int]) -> None:
    hidden, shares = drawn(3, INPUTS), []
    for rank in (None, 0, 1):
        linear = Linear(outputs) if rank is None else Linear(outputs, rank=rank, tp=2)
        made = addition(linear, layers)
        for seed, name in enumerate(layers):
            size = sum(outputs) if len(layers) == 1 else outputs[seed]
            made.load(name, "A", drawn(RANK, INPUTS, seed=seed))
            made.load(name, "B", drawn(size, RANK, seed=seed + 7))
        shares.append(made.addition(hidden).split(linear.all_out_features, -1))
    whole, first, second = shares
    for part, left, right in zip(whole, first, second, strict=True):
        assert torch.allclose(part, torch.cat([left, right], -1), atol=1e-6)


def test_ranks_of_layers_cut_by_rows_add_up() -> None:
    down, up, hidden = drawn(RANK, INPUTS), drawn(7, RANK, seed=1), drawn(3, INPUTS, seed=2)
    total = torch.zeros(3, 7)
    for rank in range(2):
        made = addition(Linear([7], colwise=False, rank=rank, tp=2), ["w2"])
        made.load("w2", "A", down)
        made.load("w2", "B", up)
        total += made.addition(hidden.chunk(2, -1)[rank])
    assert torch.allclose(total, hidden @ down.T @ up.T, atol=1e-6)


class Layer(nn.Module):
    """What `attach` finds of a language model."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.feed_forward = nn.Module(), nn.Module()
        self.attention.wqkv, self.attention.wo = Linear([20, 10, 10]), Linear([7])
        self.feed_forward.gate_up_proj, self.feed_forward.w2 = Linear([4, 4]), Linear([7], colwise=False)


def config(**ranks: int) -> dict[str, Any]:
    additions = {name: {"rank": rank, "scale": 1.0} for name, rank in ranks.items()}
    return {"architectures": [ARCHITECTURE], PARTIAL_LORA: additions}


def test_weights_of_additions_are_taken_and_all_others_passed_on() -> None:
    model = Layer()
    partial_lora.attach(model, config(wo=RANK, w1=RANK, w3=RANK), Steps())  # type: ignore[arg-type]
    given = [
        ("attention.wo.weight", drawn(1)),
        ("attention.wo.Plora_A.weight", drawn(RANK, INPUTS)),
        ("feed_forward.w3.Plora_B.weight", drawn(4, RANK)),
        ("feed_forward.w1.weight", drawn(2)),
    ]
    passed = list(partial_lora.others_than_additions(model, given))
    assert [name for name, _ in passed] == ["attention.wo.weight", "feed_forward.w1.weight"]
    assert torch.equal(partial_lora.adapter_of(model, "attention", "wo").A, given[1][1])
    assert torch.equal(partial_lora.adapter_of(model, "feed_forward", "w3").B[4:], given[2][1])
    with pytest.raises(EngineOptionError, match=r"attention\.wqkv has no low-rank addition"):
        list(partial_lora.others_than_additions(model, [("attention.wqkv.Plora_A.weight", drawn(1))]))


def test_a_model_without_additions_stays_as_it_is() -> None:
    model = Layer()
    partial_lora.attach(model, {"architectures": ["Qwen2ForCausalLM"]}, Steps())  # type: ignore[arg-type]
    assert not any(isinstance(module, PartialLora) for module in model.modules())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ({**config(wo=2), "architectures": ["Qwen2ForCausalLM"]}, "wo of Qwen2ForCausalLM"),
        (config(wo=2, wk=2), "wk of InternLM2ForCausalLM"),
        (config(w1=2), "w1, w3"),
        (config(w1=2, w3=4), "w1, w3"),
    ],
    ids=["architecture", "layer", "half", "uneven"],
)
def test_what_is_not_carried_is_refused(text: dict[str, Any], says: str) -> None:
    with pytest.raises(EngineOptionError, match=says):
        partial_lora.attach(Layer(), text, Steps())  # type: ignore[arg-type]


def test_packed_weights_have_none() -> None:
    sizes = {"hidden_size": 128, "intermediate_size": 128, "vocab_size": 9, "num_hidden_layers": 1}
    assert "low-rank" in awq_obstacle({**config(wo=2), **sizes, "num_attention_heads": 1}, 128)
