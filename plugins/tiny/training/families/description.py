"""What one family's tiny checkpoint is; everything that the shared program has to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor, nn
from transformers import PreTrainedModel

from training.families.recordings import Recording
from training.families.vocabulary import Vocabulary
from training.packing import LENGTH, ROWS
from training.scenes import Canvas

#: Width and height of a tile, in pixels.
Size: TypeAlias = "tuple[int, int]"
Tensors: TypeAlias = "Mapping[str, Tensor]"


@dataclass(frozen=True)
class BlockSize:
    """Rows of one block of training data, and tokens of a row; families of long prompts have fewer and longer ones."""

    rows: int = ROWS
    length: int = LENGTH


@dataclass(frozen=True)
class Pictures:
    """What is shown, and what the family's preprocessing makes of it.

    - ``canvases``: sizes of pictures; one is drawn by lot. Their mix is that of training and of held-out questions.
    - ``tiles``: sizes of the tiles that come out, each with the most that one block of training data holds.
    - ``tokens``: vision tokens of a tile, by its size where they differ.
    - ``averaged``: squares of so many pixels are averaged before the tower in training sees a tile; ``tiles`` has the
      sizes after that.
    - ``recordings``: how clips are recorded; one is drawn by lot. None: the family is shown no clips.
    - ``clips``: how many of a hundred subjects are clips.
    """

    canvases: tuple[Canvas, ...]
    tiles: Mapping[Size, int]
    tokens: int | Callable[[Size], int]
    averaged: int = 1
    recordings: tuple[Recording, ...] = ()
    clips: int = 0

    def tokens_of(self, size: Size) -> int:
        """Vision tokens of a tile of this size."""
        return self.tokens if isinstance(self.tokens, int) else self.tokens(size)


@dataclass(frozen=True)
class Talk:
    """How answers are written.

    - ``stop``: the token that ends an answer. ``abilities``: what the model says that it can do.
    """

    stop: str
    abilities: str


@dataclass(frozen=True)
class Architecture:
    """The network, its two halves as plain modules.

    - ``tower``: takes `FamilyModel.tower.config`; maps uint8 [n, height, width, 3] to [n, tokens, hidden]. It is the
      plugin's own, with whatever it uploads in each call kept on its device.
    - ``language``: takes `FamilyModel.text_config`; transformers' model that is nearest to the family's, with the
      linear layers of `training.families.partial_lora` where some of them treat media in a way of their own.
    - ``official``: trained tensors of tower and language model to those of the official files.
    """

    tower: Callable[[Mapping[str, Any]], nn.Module]
    language: Callable[[Mapping[str, Any]], PreTrainedModel]
    official: Callable[[Tensors, Tensors], dict[str, Tensor]]


@dataclass(frozen=True)
class TinyFamily:
    """A family's tiny model.

    - ``name``: of the model type that it becomes. ``model_type``: one of the family's, whose plugin reads it.
    - ``write``: writes all files but the weights into a folder: configuration and tokenizer, in the official form;
      untrained weights, too, where the plugin reads sizes from their shapes.
    - ``block``: into what training data is packed.
    """

    name: str
    model_type: str
    write: Callable[[Path, Vocabulary], None]
    architecture: Architecture
    pictures: Pictures
    talk: Talk
    block: BlockSize = field(default_factory=BlockSize)
