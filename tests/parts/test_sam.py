"""SAM's encoder against transformers' own, and the bound on what it holds at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.overrides import TorchFunctionMode
from transformers import SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionEncoder

from vlmplug.parts import sam
from vlmplug.parts.sam import RelativeAttention, SamEncoder, SamShape, from_windows, relative, to_windows

#: 12 patches a side: windows of 5 leave a rest that is filled up.
SHAPE = SamShape(
    image_size=96, patch_size=8, width=24, inner=40, heads=3, layers=4, window=5, global_layers=(1, 3), neck=10
)
PIXELS = torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(5))
NAMES = (
    ("patch_embed.proj", "patch_embed.projection"),
    ("blocks.", "layers."),
    ("norm1.", "layer_norm1."),
    ("norm2.", "layer_norm2."),
    ("neck.0.", "neck.conv1."),
    ("neck.1.", "neck.layer_norm1."),
    ("neck.2.", "neck.conv2."),
    ("neck.3.", "neck.layer_norm2."),
)


def encoder(shape: SamShape = SHAPE) -> SamEncoder:
    torch.manual_seed(7)
    made = SamEncoder(shape).eval()
    for name, parameter in made.named_parameters():
        nn.init.normal_(parameter, float(parameter.dim() == 1 and not name.endswith("bias")), 0.3)
    return made


def theirs(ours: SamEncoder) -> SamVisionEncoder:
    config = SamVisionConfig(
        hidden_size=24,
        mlp_dim=40,
        num_hidden_layers=4,
        num_attention_heads=3,
        image_size=96,
        patch_size=8,
        window_size=5,
        global_attn_indexes=[1, 3],
        output_channels=10,
        attn_implementation="eager",
    )
    model = SamVisionEncoder(config).eval()
    state = ours.state_dict()
    for one, other in NAMES:
        state = {name.replace(one, other): tensor for name, tensor in state.items()}
    model.load_state_dict(state)
    return model


class Watch(TorchFunctionMode):
    """Notes how many values are added to scores at once."""

    def __init__(self) -> None:
        super().__init__()
        self.added: list[int] = []

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.nn.functional.scaled_dot_product_attention:
            self.added.append(kwargs["attn_mask"].numel())
        return func(*args, **kwargs)


@torch.inference_mode()
def test_every_layer_is_transformers_own() -> None:
    ours = encoder()
    found = theirs(ours)(PIXELS, output_hidden_states=True)
    grids = list(ours.grids(PIXELS))
    for grid, expected in zip(grids, found.hidden_states[1:], strict=True):
        torch.testing.assert_close(grid, expected, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(ours(PIXELS), found.last_hidden_state, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("most", [1, 1_000, 20_000, 100_000])
@torch.inference_mode()
def test_no_more_is_held_than_allowed_and_the_result_stays(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = encoder()
    with Watch() as usual:
        whole = ours(PIXELS)
    monkeypatch.setattr(sam, "MOST_BIASES", most)
    with Watch() as bounded:
        pieces = ours(PIXELS)
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=1e-4)
    row = 3 * 12**3
    assert max(bounded.added) <= max(most, row) < max(usual.added)
    assert sum(bounded.added) == sum(usual.added)


@torch.inference_mode()
def test_scores_are_those_of_the_definition() -> None:
    torch.manual_seed(1)
    attention, side = RelativeAttention(6, 2, 4).eval(), 4
    for parameter in attention.parameters():
        nn.init.normal_(parameter)
    grid = torch.randn(1, side, side, 6)
    query, key, value = attention.qkv(grid).flatten(1, 2)[0].chunk(3, -1)
    out = torch.zeros(side * side, 6)
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        scores = query[:, part] @ key[:, part].T / 3**0.5
        for q in range(side * side):
            for k in range(side * side):
                rows, columns = q // side - k // side, q % side - k % side
                scores[q, k] += query[q, part] @ attention.rel_pos_h[rows + side - 1]
                scores[q, k] += query[q, part] @ attention.rel_pos_w[columns + side - 1]
        out[:, part] = scores.softmax(-1) @ value[:, part]
    torch.testing.assert_close(attention(grid).flatten(1, 2)[0], attention.proj(out), atol=1e-5, rtol=1e-4)


@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
def test_windows_are_put_together_as_they_were_cut(count: int, side: int, window: int) -> None:
    grid = torch.arange(1, count * side * side * 2 + 1).view(count, side, side, 2)
    windows = to_windows(grid, window)
    cells = -(-side // window)
    assert windows.shape == (count * cells**2, window, window, 2)
    assert windows.sum() == grid.sum()
    assert torch.equal(from_windows(windows, side), grid)


def test_windows_are_cut_row_by_row() -> None:
    grid = torch.arange(16).view(1, 4, 4, 1)
    assert to_windows(grid, 2)[:, :, :, 0].tolist() == [
        [[0, 1], [4, 5]],
        [[2, 3], [6, 7]],
        [[8, 9], [12, 13]],
        [[10, 11], [14, 15]],
    ]


def test_a_table_of_relative_positions_is_read_by_query_and_key() -> None:
    table = torch.arange(5.0)[:, None]
    assert relative(table, 3)[..., 0].tolist() == [[2, 1, 0], [3, 2, 1], [4, 3, 2]]
