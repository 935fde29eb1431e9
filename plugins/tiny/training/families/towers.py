"""What towers need to be trained: first weights, and constants that lie on the device already."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vlmplug.parts.resampler import Resampler

#: By how much like positions attract each other in `attend_nearby`, and how loud a patch's content is beside them.
SHARPNESS, CONTENT = 5.0, 0.25


class Normalisation(nn.Module):
    """uint8 [n, height, width, 3] -> float [n, 3, height, width]: scaled to 0..1, less ``mean``, over ``std``.

    The statistics are buffers, so that no step waits for their upload; they are no part of the checkpoint.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(self, tiles: Tensor) -> Tensor:
        pixels = (tiles.float() / 255 - self.mean) / self.std
        return pixels.permute(0, 3, 1, 2).to(self.mean.dtype).contiguous()


@torch.no_grad()
def attend_nearby(resampler: Resampler) -> None:
    """Lets queries find, before anything is learned, the patches whose positions are like theirs.

    A resampler that has to learn first where to look stays blind for long. Queries and keys begin as what they are,
    every head with numbers from all over them, so that it sees columns and rows, and where a patch is says more than
    what is on it. With sines as positions, half of the attention or more lies on the nearest patches then.
    """
    size, heads = resampler.attn.embed_dim, resampler.attn.num_heads
    dealt = torch.eye(size)[torch.arange(size).view(-1, heads).T.flatten()] * SHARPNESS**0.5
    resampler.attn.in_proj_weight[: 2 * size] = torch.cat([dealt, dealt])
    resampler.ln_kv.weight.fill_(CONTENT)


@torch.no_grad()
def initialise(tower: nn.Module) -> None:
    """Random weights: matrices by Xavier's rule, learned vectors and positions small and normal.

    Convolutions and norms keep what PyTorch gives them; what is zero everywhere and no bias is a learned vector, or a
    square matrix of its own.
    """
    for module in tower.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
    for name, parameter in tower.named_parameters():
        if not name.endswith("bias") and not parameter.any():
            square = parameter.ndim == 2 and parameter.shape[0] == parameter.shape[1]
            nn.init.normal_(parameter, std=parameter.shape[0] ** -0.5 if square else 0.02)
