"""A family's language model alone, random, in plain lmdeploy: what the family's decoding is held against.

Started by ``true_shape.py --against-text-model``, as a process of its own: vlmplug's repairs of lmdeploy are not in it,
only configuration classes are registered, so that lmdeploy's own language model needs no remote code. It reads a
``config.json`` of the same numbers, a tokenizer of single bytes that has words for all ids, and a weight file. Its
prompts have as many tokens as the family's own: texts are cut, or filled up, to so many bytes.

The weights are views of one random block: the file is as large as the largest matrix, not as the model. lmdeploy
copies each of them, so that in memory the model is as large as any other.

| family | language model | in plain lmdeploy |
|---|---|---|
| glm4v | GLM-4 | its own ChatGLM, which is GLM-4 where the configuration has no ``vision_config`` |
| deepseek_vl | Llama | its own |
| minicpm_v 2.5, 2.6 | Llama 3, Qwen2 | its own |
| qwen_vl | Qwen, which was removed | Qwen2 with as many keys as heads: the same without dynamic NTK and log-n |
| xcomposer2_5 | InternLM2 with additions at media positions | its own InternLM2, without additions |
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.turns import Bound, Found, Process, serve
from vlmplug.engine.language_shapes import FUSED_QKV, PARTIAL_LORA, Shape, language_shapes
from vlmplug.pipeline import open_preparer

STORY = "Count slowly and describe every number that you meet on the way."
TOKENS = 128
#: Requests at once, by workload.
WORKLOADS = {"text": 1, "texts": 32}

_BLOCK = 2**24
_STD = 0.02
_WRITTEN = "generate_token_len"
_OWN = (FUSED_QKV, PARTIAL_LORA)


def plain_config(text_config: dict[str, Any], dtype: str) -> dict[str, Any]:
    """A ``config.json`` of the same numbers, without what plain lmdeploy does not know."""
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    known = {name: value for name, value in text_config.items() if name not in _OWN}
    return {**ids, **known, "torch_dtype": dtype, "eos_token_id": known["vocab_size"] - 1}


def write_text_model(config: dict[str, Any], folder: Path) -> None:
    """Configuration, tokenizer and weights of a text model."""
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_tokenizer(config["vocab_size"], folder)
    shapes, dtype = language_shapes(config), getattr(torch, config["torch_dtype"])
    torch.save(shared_weights(shapes, dtype), folder / "pytorch_model.bin")


def shared_weights(shapes: dict[str, Shape], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Random matrices that share their memory, norms of ones and biases of zeros."""
    most = max(torch.Size(shape).numel() for shape in shapes.values() if len(shape) > 1)
    generator = torch.Generator().manual_seed(0)
    block = (torch.randn(_BLOCK, generator=generator) * _STD).to(dtype)
    pool = block.repeat(most // _BLOCK + 2)
    return {name: _weight(name, shape, pool) for name, shape in shapes.items()}


def _weight(name: str, shape: Shape, pool: torch.Tensor) -> torch.Tensor:
    if len(shape) == 1:
        return (torch.zeros if name.endswith("bias") else torch.ones)(shape, dtype=pool.dtype)
    first, size = zlib.crc32(name.encode()) % _BLOCK, torch.Size(shape).numel()
    return pool[first : first + size].view(shape)


def write_tokenizer(size: int, folder: Path) -> None:
    """A tokenizer of single bytes, with words for all other ids, which are never read but may be generated."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"w{number}" for number in range(len(letters), size))]
    tokenizer = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=words[-1]).save_pretrained(folder)


def register_configs() -> None:
    """What transformers lacks without remote code."""
    from transformers import AutoConfig

    for name in ("chatglm", "internlm2"):
        AutoConfig.register(name, _config_class(name), exist_ok=True)


def _config_class(name: str) -> type:
    from transformers import PretrainedConfig

    class TextConfig(PretrainedConfig):  # type: ignore[misc]
        model_type = name

        def __init__(self, rope_parameters: dict[str, Any] | None = None, **fields: Any) -> None:
            super().__init__(**fields)
            self.rope_parameters = rope_parameters

    return TextConfig


class TextModel:
    """Plain ``lmdeploy.pipeline``.

    :param dtype: as the weights are. ``blocks``: of 64 tokens in the cache of keys and values.
    :param length: tokens of a prompt.
    """

    def __init__(self, folder: Path, dtype: str, device: str, blocks: int, length: int) -> None:
        from lmdeploy import PytorchEngineConfig, pipeline

        register_configs()
        gpu = PytorchEngineConfig(dtype="auto" if dtype == "float32" else dtype, num_gpu_blocks=blocks)
        config = _cpu_config(blocks) if device == "cpu" else gpu
        self._pipeline, self._length = pipeline(str(folder), backend_config=config, log_level="ERROR"), length

    def answer(self, count: int) -> Found:
        """So many requests at once."""
        from lmdeploy import GenerationConfig

        config = GenerationConfig(max_new_tokens=TOKENS, ignore_eos=True, do_sample=False)
        start = time.perf_counter()
        answers = self._pipeline(cut(stories(count), self._length), gen_config=config, do_preprocess=False)
        read, written = ([getattr(answer, name) for answer in answers] for name in ("input_token_len", _WRITTEN))
        return timed(start, sum(read), sum(written))


def stories(count: int) -> list[str]:
    """Texts of so many requests, each another one."""
    return [f"{number}. {STORY}" for number in range(count)]


def cut(texts: list[str], length: int) -> list[str]:
    """Texts of exactly so many bytes, each of which is a token here."""
    return [text[:length].ljust(length, ".") for text in texts]


def timed(start: float, read: int, written: int) -> Found:
    """What a round says: tokens of all prompts, and those generated."""
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "prompt_tokens": read, "tokens": written, "tokens_per_second": written / seconds}


def _cpu_config(blocks: int) -> Any:
    """For trying this program where no GPU is; its figures mean nothing there."""
    from vlmplug.engine.cpu.config import CpuEngineOptions, cpu_engine_config
    from vlmplug.engine.start import prepare_lmdeploy

    prepare_lmdeploy()
    return cpu_engine_config(CpuEngineOptions(kv_cache_bytes=0, num_blocks=blocks, block_size=64, threads=1))


def started(model_type: str, folder: Path, dtype: str, device: str, blocks: int, length: int) -> Process:
    """The text model of a model folder in a child process, which loads while the caller does something else.

    :param dtype: as the family's engine runs. :param length: tokens of a prompt.
    """
    command = [__file__, "--model-type", model_type, "--folder", folder, "--dtype", dtype, "--device", device]
    return Process([*command, "--blocks", blocks, "--length", length])


def main() -> None:
    """The child process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model-type", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="the family's model folder, for its configuration")
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--blocks", type=int, required=True)
    parser.add_argument("--length", type=int, required=True, help="tokens of a prompt")
    args = parser.parse_args()
    start = time.perf_counter()
    text_config = dict(open_preparer(args.model_type, args.folder).model.text_config)
    with tempfile.TemporaryDirectory(prefix="vlmplug-text-") as made:
        write_text_model(plain_config(text_config, args.dtype), Path(made))
        model = TextModel(Path(made), args.dtype, args.device, args.blocks, args.length)
        workloads = {name: partial(model.answer, count) for name, count in WORKLOADS.items()}
        loaded = time.perf_counter() - start
        serve(loaded, Bound(workloads, "text"))


if __name__ == "__main__":
    main()
