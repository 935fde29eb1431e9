"""The byte-level BPE tokenizer in the official layout: training, writing and reading it.

Weights belong to one tokenizer: training it again means training the model again.

``python -m training.tokenizer`` trains it on the generator's own texts, the official system text and common
English, and writes its files into the checkpoint folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from random import Random
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from training import differences, occurrences, prompts, questions, small_talk
from training.clips import random_clip
from training.pairs import random_pair
from training.phrases import Question
from training.samples import SYSTEMS
from training.scenes import Canvas, random_scene
from training.words import COMMON_TEXT

#: Special tokens in the order of the official Qwen2-based checkpoint, after the ordinary vocabulary.
SPECIAL_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>",
    "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>",
)  # fmt: skip

#: Size of the whole vocabulary, special tokens included.
VOCABULARY = 1280

#: How Qwen2's tokenizer cuts text before merging (``tokenizer.json`` of the public Qwen2 checkpoints).
WORD_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

#: Chat template that the official repositories carry. Not the prompt format: no default system text, extra
#: newlines.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def spoken(question: Question) -> Iterator[str]:
    yield "\n" + question.text
    yield question.answer


def corpus(scenes: int = 4000) -> Iterator[str]:
    """What the merges are learned from; always the same texts."""
    for text in (
        *SYSTEMS,
        "assistant\n",
        "system\n",
        "user\nImage-1: ",
        *(f"\nFrame{i}: " for i in range(1, 9)),
    ):
        yield from [text] * 400
    for text in COMMON_TEXT.split():
        yield from [f"{text} {text}"] * 2
    canvas = Canvas(112, 112)
    for index in range(scenes):
        rng = Random(f"tokenizer/{index}")
        yield from spoken(questions.random_question(rng, random_scene(rng, canvas)))
        yield from spoken(differences.random_question(rng, random_pair(rng, canvas)))
        yield from spoken(occurrences.random_question(rng, random_clip(rng, canvas)))
        yield from spoken(small_talk.identity(rng))
        yield from spoken(small_talk.chat(rng))


def train_tokenizer() -> Tokenizer:
    """Learns the merges and appends the special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(WORD_PATTERN), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    size = VOCABULARY - len(SPECIAL_TOKENS)
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, max_token_length=18, min_frequency=2, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise ValueError(f"The corpus gives {tokenizer.get_vocab_size()} tokens, expected {VOCABULARY}.")
    return tokenizer


def declared(token: str) -> dict[str, Any]:
    """A special token as the JSON files of a tokenizer declare it."""
    return {"content": token, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}


def added_tokens(ids: dict[str, int]) -> dict[str, Any]:
    """``added_tokens_decoder`` of ``tokenizer_config.json``."""
    return {str(number): {**declared(token), "special": True} for token, number in ids.items()}


def tokenizer_config(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "add_prefix_space": False,
        "added_tokens_decoder": added_tokens(ids),
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "bos_token": None,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": prompts.END,
        "errors": "replace",
        "model_max_length": 4096,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }


def special_tokens_map() -> dict[str, Any]:
    return {
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "eos_token": declared(prompts.END),
        "pad_token": declared("<|endoftext|>"),
    }


def write_json(path: Path, content: object, indent: int | None = 2) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes the six tokenizer files of the official layout."""
    folder.mkdir(parents=True, exist_ok=True)
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = tokenizer.get_vocab()
    ids = {token: vocabulary[token] for token in SPECIAL_TOKENS}
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n", encoding="utf-8")
    write_json(folder / "vocab.json", model["vocab"], None)
    write_json(folder / "added_tokens.json", ids)
    write_json(folder / "tokenizer_config.json", tokenizer_config(ids))
    write_json(folder / "special_tokens_map.json", special_tokens_map())
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), encoding="utf-8")


class Encoder:
    """Text to ids, remembering what it has seen (questions repeat, and so do prompts)."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "tokenizer.json"
        self.tokenizer = Tokenizer.from_file(str(self.file))
        self.encode = lru_cache(60_000)(self._encode)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of ``tokenizer.json``: weights are worth nothing with another one."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=False)
        return text

    @cached_property
    def context(self) -> int:
        """Id of ``<IMG_CONTEXT>``."""
        return self.encode(prompts.CONTEXT)[0]

    @cached_property
    def end(self) -> int:
        """Id of ``<|im_end|>``."""
        return self.encode(prompts.END)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("vlmplug_tiny/checkpoint"), help="the checkpoint folder")
    folder = parser.parse_args().out
    write_tokenizer(train_tokenizer(), folder)


if __name__ == "__main__":
    main()
