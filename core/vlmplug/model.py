"""What the hooks hand to each other and to the engine: frozen, picklable, without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmplug.conversation import MediaPart
from vlmplug.media import Picture
from vlmplug.prompt import MediaItem
from vlmplug.sampling import SamplingDefaults
from vlmplug.tokenizer import Tokenizer


@dataclass(frozen=True)
class ModelSource:
    """Where `load_model` finds a checkpoint.

    - ``model_type``, ``family``: as the registry resolved them.
    - ``folder``: the model folder with its official files; weights may be missing (rendering needs none).
    - ``config``: the folder's ``config.json``, read; keys that are null are left out.
    - ``template``: prompt template named by the manifest of the model type.
    """

    model_type: str
    family: str
    folder: Path
    config: Mapping[str, Any]
    template: str


@dataclass(frozen=True)
class TowerSpec:
    """How a worker process builds and fills the vision tower.

    - ``builder``: import path ``package.module:function``; called with ``config``, returns an ``nn.Module`` whose
      ``forward`` takes tiles of one size ([n, height, width, 3] uint8, of one or of many media inputs) and returns
      [n, tokens, hidden]. The rows of a media input are those of its tiles, in order; a tower that puts them together
      otherwise has a method ``arrange(rows, grid)``: one [tokens, hidden] a tile, and the input's grid, to [rows,
      hidden]. One that cuts pictures itself has a method ``views(picture)``: uint8 [height, width, 3] to what
      ``forward`` takes in the place of tiles, [views, height, width, 3] of any type. One whose files may lack weights
      that can be computed has a method ``computed_weights()``: their names, and float32 values on the CPU.
    - ``config``: its JSON-like argument.
    """

    builder: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class LengthScaling:
    """Attention that changes with the length of a prompt, as Qwen (2023) was trained for and extended.

    - ``trained_length``: tokens of the longest sequences in training.
    - ``dynamic_ntk``: prompts of more tokens have rotary frequencies of a larger base, the same for the whole sequence:
      base * alpha ** (d / (d - 2)) for heads of d numbers, with alpha = 2 ** (level + 1) - 1, where ``trained_length``
      has to be doubled ``level`` times to hold the prompt.
    - ``log_n``: the query of the i-th token, counted from 1, is multiplied by log(i) / log(``trained_length``) from
      there on, after the rotation.
    """

    trained_length: int
    dynamic_ntk: bool
    log_n: bool


@dataclass(frozen=True)
class LowRank:
    """A low-rank addition to a linear layer: ``y += scale * B(A(x))`` with A [rank, inputs] and B [outputs, rank]."""

    rank: int
    scale: float = 1.0


@dataclass(frozen=True)
class FamilyModel:
    """What `load_model` returns: everything about one checkpoint except its weights.

    - ``text_config``: configuration of the language model as lmdeploy and transformers 5 read it: ``architectures``,
      ``model_type``, ``rope_parameters``, ``tie_word_embeddings`` explicit, no ``auto_map``.
    - ``tower``: the vision tower.
    - ``weight_route``: import path of a function ``name -> (part, name inside the part)`` with part ``"language"``,
      ``"vision"`` or ``"unused"``; the names are the official ones in the safetensors files.
    - ``stop_ids``: ids that end an answer.
    - ``placeholder_id``: id that fills the positions of vision embeddings.
    - ``placeholder_edges``: ids of the first and the last position of each span, where vision embeddings take the place
      of a begin and an end token too; None: all positions of a span hold ``placeholder_id``.
    - ``own_positions``: prompts bring position ids other than 0..n-1 (`EngineInput.position_ids`).
    - ``answer_lead``: what the model writes in front of each answer and nobody wants to read; it is left out of the
      answer's text, and stays among its ids.
    - ``tool_use``: prompts have words for tools: `Message.tools`, `Message.metadata` and the role ``observation``.
    - ``length_scaling``: what changes in attention with the length of the prompt; None: nothing. The language model is
      one with rotary embeddings over whole heads, and ``text_config`` has ``head_dim``.
    - ``box_scale``: answers name places of a picture (`vlmplug.grounding`), in so many parts of its width and height;
      None: they do not.
    - ``context_length``: tokens that prompt and answer may take together.
    - ``dtype``: ``"bfloat16"``, ``"float16"`` or ``"float32"``, as the checkpoint says.
    - ``settings``: the family's own frozen data class.
    - ``partial_lora``: by name of a linear layer of the decoder (``wqkv``), what it adds at media positions and nowhere
      else; the weights are called ``….wqkv.Plora_A.weight`` and ``….wqkv.Plora_B.weight``.
    """

    model_type: str
    family: str
    folder: Path
    tokenizer: Tokenizer
    text_config: Mapping[str, Any]
    tower: TowerSpec
    weight_route: str
    stop_ids: tuple[int, ...]
    placeholder_id: int
    context_length: int
    dtype: str
    settings: Any
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    placeholder_edges: tuple[int, int] | None = None
    own_positions: bool = False
    answer_lead: str = ""
    tool_use: bool = False
    length_scaling: LengthScaling | None = None
    box_scale: int | None = None
    partial_lora: Mapping[str, LowRank] = field(default_factory=dict)


@dataclass(frozen=True)
class MediaBatch:
    """What `preprocess_media` works on: opened media, and the items of the prompt in order."""

    media: tuple[MediaPart, ...]
    items: tuple[MediaItem, ...]

    @property
    def last_size(self) -> tuple[int, int] | None:
        """Width and height of the last picture among the items; None where there is none."""
        sources = (self.media[item.part].source for item in reversed(self.items))
        return next((source.image.size for source in sources if isinstance(source, Picture)), None)


@dataclass(frozen=True)
class MediaInput:
    """One media item, ready for the vision tower.

    - ``pixels``: uint8 [tiles, height, width, 3], RGB; normalisation is the tower's work.
    - ``more_pixels``: the tiles behind those, where they have other sizes; one such array a size.
    - ``tokens``: positions of the language model that it fills (begin and end tags not counted).
    - ``grid``: columns and rows of the tiling; None where nothing is cut.
    - ``mean``, ``std``: what the tower subtracts and divides by after scaling to 0..1, RGB order.
    - ``views``: how many pictures the tower makes of the tiles before it looks at them; None: it takes them as they
      are.
    """

    pixels: npt.NDArray[np.uint8]
    tokens: int
    grid: tuple[int, int] | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    more_pixels: tuple[npt.NDArray[np.uint8], ...] = ()
    views: int | None = None

    @property
    def groups(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """All tiles, in order: uint8 [tiles, height, width, 3] for each run of tiles of one size."""
        return (self.pixels, *self.more_pixels)

    @property
    def tiles(self) -> int:
        """Number of pictures that the tower looks at."""
        return sum(map(len, self.groups)) if self.views is None else self.views

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height of every tile."""
        return tuple((group.shape[2], group.shape[1]) for group in self.groups for _ in group)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of grid, shapes and bytes: equal pictures, equally prepared, share cache entries; others never do."""
        digest = hashlib.sha256(repr((self.grid, [group.shape for group in self.groups])).encode())
        for group in self.groups:
            digest.update(np.ascontiguousarray(group).data)
        return digest.hexdigest()

    def normalised(self) -> npt.NDArray[np.float32]:
        """``pixels`` as the official preprocessing returns them: float32 [tiles, 3, height, width]."""
        return self._normalised(self.pixels)

    def normalised_tiles(self) -> Iterator[npt.NDArray[np.float32]]:
        """Every tile as the official preprocessing returns it: float32 [3, height, width] each."""
        for group in self.groups:
            yield from self._normalised(group)

    def _normalised(self, group: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        scaled = group.astype(np.float32) / np.float32(255)
        centred = (scaled - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(centred.transpose(0, 3, 1, 2))


@dataclass(frozen=True)
class MediaSpan:
    """Positions ``start`` to ``start + length - 1`` of the prompt take embeddings of ``media[item]``.

    An item may have several spans, with ids of the prompt between them: they share its rows in order.
    """

    item: int
    start: int
    length: int


@dataclass(frozen=True)
class EngineInput:
    """What `inject_vision_tokens` returns: one id a position, the spans of the media, the media themselves.

    ``position_ids``: one a token, where they are not 0..n-1: those of text count on from the position before them, the
    first from 0; within a span they are the family's. Generated tokens count on from the last one.
    """

    input_ids: tuple[int, ...]
    spans: tuple[MediaSpan, ...] = ()
    media: tuple[MediaInput, ...] = ()
    position_ids: tuple[int, ...] | None = None

    @property
    def media_tokens(self) -> int:
        """Positions that hold vision embeddings."""
        return sum(span.length for span in self.spans)
