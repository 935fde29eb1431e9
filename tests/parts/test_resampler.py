"""Learned queries over the patches of a picture."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from vlmplug.parts.resampler import Resampler, ResamplerSizes


def resampler(width: int = 12) -> Resampler:
    """With lively weights."""
    torch.manual_seed(5)
    made = Resampler(ResamplerSizes(queries=3, width=width, hidden=16, heads=2)).eval()
    for name, parameter in made.named_parameters():
        nn.init.normal_(parameter, float(name.startswith("ln") and name.endswith("weight")), 0.3)
    return made


def by_hand(made: Resampler, patches: Tensor, keys: Tensor, queries: Tensor | None = None) -> Tensor:
    """The definition: softmax over keys that know their place, of values that do not."""
    (wq, wk, wv), (bq, bk, bv) = made.attn.in_proj_weight.chunk(3), made.attn.in_proj_bias.chunk(3)
    values = made.ln_kv(made.kv_proj(patches))
    asked = made.ln_q(made.query) + (0 if queries is None else queries)
    q, k, v = asked @ wq.T + bq, (values + keys) @ wk.T + bk, values @ wv.T + bv
    heads = [slice(start, start + 8) for start in (0, 8)]
    found = [torch.softmax(q[:, h] @ k[..., h].transpose(-1, -2) / math.sqrt(8), -1) @ v[..., h] for h in heads]
    return made.attn.out_proj(torch.cat(found, -1))


@pytest.mark.parametrize("width", [12, 16], ids=["projected", "of the same width"])
@pytest.mark.parametrize("placed", [False, True], ids=["queries without a place", "with one"])
@torch.inference_mode()
def test_attention_is_as_defined(width: int, placed: bool) -> None:
    made, patches, keys = resampler(width), torch.randn(2, 7, width), torch.randn(7, 16)
    queries = torch.randn(3, 16) if placed else None
    found = made.attend(patches, keys, queries)
    assert found.shape == (2, 3, 16)
    torch.testing.assert_close(found, by_hand(made, patches, keys, queries), atol=1e-5, rtol=1e-5)


def test_names_are_the_official_ones() -> None:
    names = {"query", "kv_proj.weight", "attn.in_proj_weight", "attn.in_proj_bias"}
    norms = {f"{norm}.{part}" for norm in ("attn.out_proj", "ln_q", "ln_kv") for part in ("weight", "bias")}
    assert set(resampler().state_dict()) == names | norms
    assert set(resampler(16).state_dict()) == (names | norms) - {"kv_proj.weight"}
