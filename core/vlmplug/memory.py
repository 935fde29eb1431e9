"""How much memory of a device a model needs, from the numbers of its manifest, before anything is downloaded.

For one of ``tp`` devices::

    weights    = vision + rest + matrices / tp          parameters times bytes of the data type
    cache      = 2 * layers * key-value heads / tp * head size * tokens * bytes of the data type
    reserve    = 1 GiB + 2 * the larger one of
                 tokens of a prefill * (4 * hidden + 3 * inner / tp) * bytes of the data type
                 patches of 32 tiles * (4 * hidden + 2 * inner of the tower) * bytes of the data type,
                 of as many fewer as they are larger than 448 by 448 pixels

- *matrices* are the linear layers of the decoder, which tensor parallelism shares. Each device holds the *rest* whole
  (embeddings, output layer, norms, biases) and *vision* (tower and projector): that is how lmdeploy builds them. Keys
  and values are not shared further than to one head a device.
- 4-bit AWQ keeps the *matrices* in 4 bits, with a float16 scale and a 4-bit zero for each group, of 128 where nothing
  else is said; all else is float16. Where lmdeploy multiplies with its own kernels for Hopper GPUs, it keeps the packed
  matrices twice; that is not counted.
- *cache* holds one request. lmdeploy takes more where there is more, and then serves more requests at once.
- *reserve*: CUDA's context, kernels and libraries' workspaces took 0.7 to 0.8 GiB on an H100, and sampling has float32
  scores. Then what the widest layer holds while it reads a prompt, or while the tower sees as many tiles as the engine
  shows it at once: residual stream, normed copy, attention; gate, up and product of the MLP. Twice that, because
  PyTorch's allocator keeps blocks of other sizes: ``benchmarks/memory.py`` measures it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Literal

from vlmplug.detection import expected_config
from vlmplug.engine.awq import awq_obstacle
from vlmplug.engine.language_shapes import Sizes, is_matrix, language_shapes
from vlmplug.errors import CheckpointMismatchError, EngineOptionError
from vlmplug.light_dataclass import dataclass
from vlmplug.model_type import ModelType
from vlmplug.quantisation import AWQ, LANGUAGE_SECTIONS, quantisation_method, read_quantisation
from vlmplug.tower_batch import tiles_at_once

WeightType = Literal["float32", "bfloat16", "float16", "awq"]

#: Tokens of prompt and answer that the cache is counted for, where the model allows as many.
CONTEXT_TOKENS = 8192
#: Tokens that lmdeploy reads at once; see ``SchedulerOptions.max_prefill_tokens``.
PREFILL_TOKENS = 8192
#: Tiles that the engine shows the vision tower at once; see ``SchedulerOptions.tower_tiles``.
TOWER_TILES = 32
FIXED_RESERVE = 2**30
#: Weights that share a scale and a zero in AWQ checkpoints, where nothing else is said.
AWQ_GROUP = 128

_BYTES: Mapping[WeightType, float] = {"float32": 4, "bfloat16": 2, "float16": 2, "awq": 2}


@dataclass(frozen=True)
class LanguageSize:
    """Numbers of a language model.

    - ``matrices``: weights of its decoder's linear layers; ``rest``: all others.
    """

    matrices: int
    rest: int
    layers: int
    hidden: int
    inner: int
    heads: int
    key_value_heads: int
    head: int

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.matrices + self.rest

    def splits(self, tp: int) -> bool:
        """Whether lmdeploy can share it over that many devices."""
        groups = self.key_value_heads
        return self.heads % tp == 0 and (groups % tp == 0 or tp % groups == 0)


@dataclass(frozen=True)
class Setup:
    """How a model is run: type of its weights, number of devices, tokens of prompt and answer together."""

    weights: WeightType = "bfloat16"
    tp: int = 1
    tokens: int = CONTEXT_TOKENS


@dataclass(frozen=True)
class Memory:
    """Bytes that each device needs."""

    weights: int
    cache: int
    reserve: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.reserve


def language_size(config: Mapping[str, Any], architecture: str = "") -> LanguageSize | None:
    """Numbers of the language model in a ``config.json``; None where its shapes are not known.

    :param architecture: that of the language model, where ``config.json`` says another one.
    """
    language = _language(config, architecture)
    try:
        shapes, sizes = language_shapes(language), Sizes(language)
    except (EngineOptionError, KeyError, IndexError, TypeError):
        return None
    shared = sum(prod(shape) for name, shape in shapes.items() if is_matrix(name, shape))
    return LanguageSize(
        matrices=shared,
        rest=sum(map(prod, shapes.values())) - shared,
        layers=len(sizes.layers),
        hidden=sizes.hidden,
        inner=sizes.inner,
        heads=sizes.heads,
        key_value_heads=sizes.key_value_heads,
        head=sizes.head,
    )


def memory_needed(entry: ModelType, setup: Setup | None = None) -> Memory | None:
    """What each device needs to run a model type; None where its shapes are not known or it cannot be run so.

    :param setup: None: as it is published (bfloat16, or quantised) on one device, with the usual number of tokens.
    """
    config = expected_config(entry)
    setup = setup or Setup(AWQ if quantisation_method(config) else "bfloat16")
    size = language_size(config, entry.language_architecture)
    if size is None or not size.splits(setup.tp) or not _holds(entry, setup):
        return None
    width, tokens = _BYTES[setup.weights], min(setup.tokens, entry.context_length)
    vision = entry.vision_parameters
    whole = size.rest + (max(entry.parameters - size.parameters, 0) if vision is None else vision)
    matrix = 0.5 + (2 + 0.5) / _awq_group(config) if setup.weights == AWQ else width
    per_token = 2 * size.layers * max(size.key_value_heads / setup.tp, 1) * size.head
    layer = min(PREFILL_TOKENS, tokens) * (4 * size.hidden + 3 * size.inner / setup.tp)
    return Memory(
        weights=int(whole * width + size.matrices * matrix / setup.tp),
        cache=int(per_token * tokens * width),
        reserve=FIXED_RESERVE + int(2 * max(layer, _tower_values(config)) * width),
    )


def _language(config: Mapping[str, Any], architecture: str) -> Mapping[str, Any]:
    """The language model's part of a configuration; of another architecture than it says if one is given."""
    language = next((config[key] for key in LANGUAGE_SECTIONS if isinstance(config.get(key), Mapping)), config)
    return {**language, "architectures": [architecture]} if architecture else language


def _holds(entry: ModelType, setup: Setup) -> bool:
    """Whether weights of that type can be had: quantised ones stay as they are, and AWQ needs whole groups."""
    config = expected_config(entry)
    if setup.weights != AWQ:
        return not quantisation_method(config)
    try:
        return not awq_obstacle(_language(config, entry.language_architecture), _awq_group(config), setup.tp)
    except CheckpointMismatchError:
        return False


def _awq_group(config: Mapping[str, Any]) -> int:
    quantisation = read_quantisation(config)
    return AWQ_GROUP if quantisation is None else int(quantisation["group_size"])


def _width(tower: Mapping[str, Any]) -> int:
    """Of the residual stream; Qwen-VL has OpenCLIP's names."""
    return int(tower["width"] if "width" in tower else tower["hidden_size"])


def _inner(tower: Mapping[str, Any]) -> int:
    return int(tower["width"] * tower["mlp_ratio"] if "width" in tower else tower["intermediate_size"])


def _tower_values(config: Mapping[str, Any]) -> int:
    """Values that a layer of the vision tower holds at most; 0 where its shapes are not known.

    Where tiles have another size than the grid of positions that the tower was trained with, it stands at the top.
    """
    tower: Any = config.get("vision_config", config.get("visual"))
    try:
        side = config.get("image_size", tower["image_size"])
        patches = (side // tower["patch_size"]) ** 2 + 1
        values = 4 * _width(tower) + 2 * _inner(tower)
        return int(tiles_at_once(TOWER_TILES, side, side) * patches * values)
    except (KeyError, TypeError, ZeroDivisionError):
        return 0
