"""Small tokenizers in the official file layout of each language model, trained on a few sentences."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

#: What every size appends to its language model's tokenizer, in this order (``internvl_chat_finetune.py``).
APPENDED = ("<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>")
_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN = _LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
_SENTENCES = (
    "The cat sat on the mat beside a window and watched two birds in the garden.",
    "What is in this picture? Describe it in a few words, please.",
    "A red square lies to the left of a blue circle; the green triangle is above them.",
    "Compare the first image with the second one and count what has changed between them.",
    "system user assistant Frame1: Frame-1: Image-1: Image-2: answer question",
    "这是一只猫坐在窗边的图片，你是一个有用无害的人工智能助手。",
) * 4


class Added:
    """Entries of ``added_tokens_decoder``, by id."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}

    def at(self, number: int, content: str, **flags: bool) -> None:
        """One token at an id of its own or of a piece."""
        plain = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
        self.entries[str(number)] = {"content": content, **plain, "special": True, **flags}

    def append(self, first: int, contents: Iterable[str], **flags: bool) -> int:
        """Tokens one after the other; returns the next free id."""
        for number, content in enumerate(contents, first):
            self.at(number, content, **flags)
        return max(map(int, self.entries)) + 1


#: Writes the tokenizer files into a folder; returns how many ids there are.
Maker = Callable[[Path], int]


def phi3(folder: Path) -> int:
    """Phi-3-mini (4B): sentencepiece, ``LlamaTokenizer`` not legacy, role tokens that swallow white space."""
    first = _sentencepiece(folder)
    added = Added()
    added.append(0, ("<unk>", "<s>"))
    added.at(2, "</s>", rstrip=True, special=False)
    placeholders = [f"<|placeholder{number}|>" for number in range(1, 5)]
    added.at(first, "<|endoftext|>")
    added.append(first + 1, ("<|assistant|>", *placeholders, "<|system|>", "<|end|>", "<|placeholder5|>"), rstrip=True)
    added.append(first + 9, ("<|placeholder6|>", "<|user|>"), rstrip=True)
    free = added.append(first + 11, APPENDED)
    roles = {"bos_token": "<s>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<unk>"}
    _config(folder, added, "LlamaTokenizer", **roles, add_bos_token=True, add_eos_token=False, legacy=False)
    return free


def yi(folder: Path) -> int:
    """Nous-Hermes-2-Yi (40B): sentencepiece with ChatML markers as user-defined pieces, nothing in front."""
    symbols = ["<|Human|>", "<|Assistant|>", "<|System|>", "<|im_start|>", "<|im_end|>", "<|im_sep|>"]
    pieces = {"bos_piece": "<|startoftext|>", "eos_piece": "<|endoftext|>", "add_dummy_prefix": False}
    first = _sentencepiece(folder, user_defined_symbols=symbols, **pieces)
    added = Added()
    added.append(0, ("<unk>", "<|startoftext|>", "<|endoftext|>"))
    added.at(7, "<|im_end|>")
    free = added.append(first, APPENDED)
    roles = {"bos_token": "<|startoftext|>", "eos_token": "<|im_end|>", "pad_token": "<unk>", "unk_token": "<unk>"}
    _config(folder, added, "LlamaTokenizer", **roles, add_bos_token=False, add_eos_token=False, legacy=True)
    return free


def llama3(folder: Path) -> int:
    """Hermes-2-Theta-Llama-3 (76B): ``tokenizer.json`` alone, whose post-processor puts bos in front."""
    tokenizer = _byte_level(_LLAMA_3)
    first = tokenizer.get_vocab_size()
    bos = "<|begin_of_text|>"
    names = [bos, "<|end_of_text|>", "<|im_start|>", "<|im_end|>", *APPENDED]
    tokenizer.add_special_tokens(names)
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, first)]),
        ]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    added = Added()
    free = added.append(first, names)
    _config(folder, added, "PreTrainedTokenizerFast", bos_token=bos, eos_token="<|im_end|>", pad_token="<|im_end|>")
    return free


def qwen2_5(folder: Path) -> int:
    """Qwen2.5 (InternVL 2.5 and 3): ``vocab.json`` and ``merges.txt``; some added tokens are no special ones."""
    tokenizer = _byte_level(_QWEN)
    first = tokenizer.get_vocab_size()
    tokenizer.model.save(str(folder))
    added = Added()
    free = added.append(first, ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"))
    free = added.append(free, ("<tool_call>", "</tool_call>"), special=False)
    free = added.append(free, APPENDED)
    roles = {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None}
    _config(folder, added, "Qwen2Tokenizer", **roles, add_bos_token=False, add_prefix_space=False, errors="replace")
    return free


def internlm2(folder: Path) -> int:
    """InternLM2 (2B, 8B, 26B, InternVL 1.5): sentencepiece with unused pieces that added tokens take over."""
    markers = [f"[UNUSED_TOKEN_{number}]" for number in range(140, 146)]
    first = _sentencepiece(folder, user_defined_symbols=markers, add_dummy_prefix=False)
    taken = ("<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|action_start|>", "<|im_end|>", "<|im_start|>")
    added = Added()
    added.append(0, ("<unk>", "<s>", "</s>"))
    added.append(3, taken)  # the trainer puts user-defined pieces behind the control ones
    free = added.append(first, APPENDED)
    roles = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    _config(folder, added, "InternLM2Tokenizer", **roles, add_bos_token=True, add_eos_token=False)
    return free


def _sentencepiece(folder: Path, **settings: Any) -> int:
    """Trains ``tokenizer.model`` as the official ones are: byte pairs, bytes for the rest, text as it stands."""
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_SENTENCES),
        model_writer=trained,
        vocab_size=500,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.9995,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
        **settings,
    )
    (folder / "tokenizer.model").write_bytes(trained.getvalue())
    return int(sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue()).vocab_size())


def _byte_level(pattern: str) -> Tokenizer:
    from tokenizers import Regex

    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_SENTENCES, trainer)
    return tokenizer


def _config(folder: Path, added: Added, tokenizer_class: str, **fields: Any) -> None:
    by_id: Mapping[str, Any] = dict(sorted(added.entries.items(), key=lambda entry: int(entry[0])))
    config = {"added_tokens_decoder": by_id, "tokenizer_class": tokenizer_class, "model_max_length": 8192, **fields}
    listed = [entry["content"] for entry in by_id.values() if entry["content"] in APPENDED]
    config["additional_special_tokens"] = listed
    config["clean_up_tokenization_spaces"] = False
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
