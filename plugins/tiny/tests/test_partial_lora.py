"""Low-rank additions: at media positions and nowhere else, one A for layers that belong together."""

from __future__ import annotations

import torch
from torch import nn

from training.families.partial_lora import PartialLoraLinear, give_additions, interleaved, mask_of


class Attention(nn.Module):
    """Three linear layers of which two share their A."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.out = (nn.Linear(6, size) for size in (8, 4, 6))


def test_only_media_positions_change() -> None:
    attention = Attention()
    plain = nn.Linear(6, 8)
    plain.load_state_dict(attention.query.state_dict())
    mask = give_additions(attention, [("query",)], rank=2)
    hidden = torch.randn(2, 5, 6)
    assert torch.equal(attention.query(hidden), plain(hidden))
    mask.positions = torch.zeros(2, 5, dtype=torch.bool)
    mask.positions[0, 1:3] = True
    changed = (attention.query(hidden) - plain(hidden)).abs().sum(-1) > 1e-6
    assert torch.equal(changed, mask.positions)


def test_the_addition_is_b_of_a() -> None:
    attention = Attention()
    mask = give_additions(attention, [("query",)], rank=2)
    hidden = torch.randn(1, 3, 6)
    without = attention.query(hidden)
    mask.positions = torch.ones(1, 3, dtype=torch.bool)
    down, up = (attention.get_parameter(f"query.Plora_{half}.weight") for half in "AB")
    torch.testing.assert_close(attention.query(hidden) - without, hidden @ down.T @ up.T)


def test_layers_of_a_group_share_their_a() -> None:
    attention = Attention()
    give_additions(attention, [("query", "key"), ("out",)], rank=2)
    names = [name for name, _ in attention.named_parameters() if "Plora" in name]
    assert names == ["query.Plora_A.weight", "query.Plora_B.weight", "key.Plora_B.weight"] + [
        f"out.Plora_{half}.weight" for half in "AB"
    ]


def test_all_layers_of_a_model_read_one_mask() -> None:
    model = nn.ModuleList(Attention() for _ in range(2))
    mask = give_additions(model, [("query", "key")], rank=2)
    read = [module.mask for module in model.modules() if isinstance(module, PartialLoraLinear)]
    assert len(read) == 4 and all(one is mask for one in read)
    assert mask_of(model) is mask
    assert mask_of(nn.Linear(2, 2)) is None


def test_rows_of_a_group_stand_together() -> None:
    # Four query heads, two groups, one number a head.
    query, key, value = torch.tensor([[1], [2], [3], [4]]), torch.tensor([[10], [20]]), torch.tensor([[100], [200]])
    assert interleaved((query, key, value), 2).flatten().tolist() == [1, 2, 10, 100, 3, 4, 20, 200]
