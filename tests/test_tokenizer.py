"""The tokenizer of a checkpoint: official ids, text that stays text, and what a prompt's segments become."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.errors import ConversationError, TokenizerError
from vlmplug.prompt import GeneratedIds, MediaSlot, Segment, Special, Text
from vlmplug.tokenizer import Tokenizer

GOLDEN = Path(__file__).parent / "golden" / "internvl2"
INTERNLM2 = Tokenizer.from_folder(GOLDEN / "tiny")
QWEN2 = Tokenizer.from_folder(GOLDEN / "tiny_qwen2")

#: Appended to a sentencepiece model, it sets ``normalizer_spec.add_dummy_prefix`` (field 3 in field 3).
DUMMY_PREFIX = b"\x1a\x02\x18\x01"


def added(content: str, **flags: bool) -> dict[str, Any]:
    """An entry of ``added_tokens_decoder``."""
    return {"content": content, "lstrip": False, "rstrip": False, "single_word": False, "special": True, **flags}


LLAMA_TOKENS = {
    "0": added("<unk>"),
    "1": added("<s>"),
    "2": added("</s>", rstrip=True, special=False),
    "567": added("<|system|>", rstrip=True),
    "568": added("<|user|>", rstrip=True),
    "569": added("<|assistant|>", rstrip=True),
    "570": added("<|end|>", rstrip=True),
    "571": added("<img>"),
    "572": added("</img>"),
    "573": added("<L>", lstrip=True),
}


def llama_folder(folder: Path, legacy: bool | None, dummy_prefix: bool, **config: Any) -> Path:
    """A model folder with a Llama tokenizer as Phi-3's, on the vocabulary of the golden set."""
    content = (GOLDEN / "tiny" / "tokenizer.model").read_bytes()
    (folder / "tokenizer.model").write_bytes(content + (DUMMY_PREFIX if dummy_prefix else b""))
    fields = {"tokenizer_class": "LlamaTokenizer", "legacy": legacy, "add_bos_token": True, "bos_token": "<s>"}
    fields |= {"eos_token": "<|end|>", "unk_token": "<unk>", "added_tokens_decoder": LLAMA_TOKENS, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(fields))
    return folder


#: Ids that ``LlamaTokenizer`` of transformers 4.37.2 (``use_fast=False``) gives with the folders above:
#: the model's own rule without a space, a space for each text (legacy), a space for the first text only, and the
#: latter with ``<|system|>`` and ``<|user|>`` among the additional special tokens.
OFFICIAL_LLAMA: list[tuple[str, list[int], list[int], list[int], list[int]]] = [
    ("The cat sat.", [282, 335, 264, 271, 481], *3 * ([333, 335, 264, 271, 481],)),
    (" The cat", [333, 335], *3 * ([465, 333, 335],)),
    (
        "  two  spaces",
        [465, 336, 465, 264, 478, 467, 480, 287],
        *3 * ([465, 465, 336, 465, 264, 478, 467, 480, 287],),
    ),
    ("\nThe line", [560, 282, 311, 288, 466], *3 * ([465, 560, 282, 311, 288, 466],)),
    ("", [], [], [], []),
    (
        "<|user|>\nThe cat<|end|>\n<|assistant|>\n",
        [568, 282, 335, 570, 569],
        [568, 333, 335, 570, 569],
        [465, 568, 282, 335, 570, 569],
        [568, 282, 335, 570, 569],
    ),
    (
        "<|system|> x<|end|><|user|>  y",
        [567, 492, 570, 568, 488],
        [567, 313, 570, 568, 314],
        [465, 567, 492, 570, 568, 488],
        [567, 492, 570, 568, 488],
    ),
    (
        "The<img></img> cat",
        [282, 571, 572, 335],
        [333, 571, 572, 465, 335],
        [333, 571, 572, 335],
        [333, 571, 572, 335],
    ),
    ("x <L> y", [492, 573, 314], [313, 573, 465, 314], [313, 573, 314], [313, 573, 314]),
    (
        "a▁<|user|>▁ b",
        [467, 465, 568, 465, 290],
        [261, 465, 568, 465, 465, 290],
        [261, 465, 568, 486],
        [261, 465, 568, 486],
    ),
    ("[UNUSED_TOKEN_141] cat", [561, 335], *3 * ([465, 561, 335],)),
    ("<unk> the <s>", [0, 262, 465, 1], [0, 465, 262, 465, 1], [0, 262, 465, 1], [0, 262, 465, 1]),
]


@pytest.mark.parametrize(
    ("column", "legacy", "dummy_prefix", "config"),
    [
        (1, None, False, {}),
        (2, True, True, {}),
        (3, False, True, {}),
        (4, False, True, {"additional_special_tokens": ["<|system|>", "<|user|>"]}),
        (1, False, True, {"add_prefix_space": False}),
    ],
    ids=["as the model says", "legacy", "first text", "first text, listed tokens", "no space"],
)
def test_llama_tokenizers_follow_the_official_rules(
    tmp_path: Path, column: int, legacy: bool | None, dummy_prefix: bool, config: dict[str, Any]
) -> None:
    tokenizer = Tokenizer.from_folder(llama_folder(tmp_path, legacy, dummy_prefix, **config))
    found = {row[0]: tokenizer.encode([Text(row[0], parse_special_tokens=True)]) for row in OFFICIAL_LLAMA}
    expected = {row[0]: [1, *row[column]] for row in OFFICIAL_LLAMA}
    if config.get("add_prefix_space") is False:  # spelled spaces count as spaces there
        expected["a▁<|user|>▁ b"] = [1, 467, 465, 568, 465, 290]
    assert found == expected


def test_a_llama_tokenizer_does_not_show_its_own_space(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(llama_folder(tmp_path, False, True))
    assert tokenizer.decode(tokenizer.encode_text("The cat")) == "The cat"
    assert tokenizer.decode(tokenizer.encode_text("  The cat")) == "  The cat"


@pytest.mark.parametrize(
    ("config", "expected"),
    [({}, (1,)), ({"add_bos_token": True}, (1,)), ({"add_bos_token": False}, ()), ({"bos_token": "<unk>"}, (0,))],
)
def test_bos_is_what_the_configuration_says(
    changed: Callable[[Path], Path], config: dict[str, Any], expected: tuple[int, ...]
) -> None:
    folder = changed(GOLDEN / "tiny")
    fields = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**fields, **config}))
    tokenizer = Tokenizer.from_folder(folder)
    assert tokenizer.bos_ids == expected
    assert tokenizer.encode([Text("The")]) == [*expected, 282]


def test_qwen2_puts_nothing_in_front() -> None:
    assert QWEN2.bos_ids == ()


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [
        (INTERNLM2, "<|im_end|>"),
        (INTERNLM2, "<s> and </s>"),
        (INTERNLM2, "<IMG_CONTEXT>"),
        (INTERNLM2, "[UNUSED_TOKEN_141]"),
        (INTERNLM2, "<0x0A>"),
        (QWEN2, "<|im_start|>system"),
        (QWEN2, "<|endoftext|>"),
    ],
)
def test_text_is_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode_text(text)
    assert not set(ids) & set(tokenizer.special_tokens.values())
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(
    ("text", "special"),
    [
        ("<|im_end|>", [565]),
        ("<s></s><unk>", [1, 2, 0]),
        ("<img><IMG_CONTEXT></img>", [567, 569, 568]),
        ("[UNUSED_TOKEN_141]<|plugin|>", [561, 561]),
        ("<|im_end|", []),
    ],
)
def test_parsed_text_becomes_special_tokens(text: str, special: list[int]) -> None:
    ids = INTERNLM2.encode_segments([Text(text, parse_special_tokens=True)])[0]
    assert [token for token in ids if token in set(INTERNLM2.special_tokens.values())] == special
    assert not special or ids == special


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([], []),
        ([Text("The"), Text(" cat")], [[282, 335], []]),
        ([Text("Th"), Text("e cat")], [[282, 335], []]),
        ([Special("<|im_start|>"), Text("The"), Special("<|im_end|>")], [[566], [282], [565]]),
        ([Text("The"), GeneratedIds((7, 8), "??"), Text(" cat")], [[282], [7, 8], [335]]),
        ([Text("The"), Text("<s>", True), Text(" cat")], [[282], [1], [335]]),
        ([Special("[UNUSED_TOKEN_141]"), Text("")], [[561], []]),
    ],
    ids=["nothing", "joined", "merged across", "special", "generated", "mixed", "marker"],
)
def test_segments_keep_their_ids_apart(segments: list[Segment], expected: list[list[int]]) -> None:
    assert INTERNLM2.encode_segments(segments) == expected
    assert INTERNLM2.encode(segments) == [1, *(token for ids in expected for token in ids)]


def test_a_token_swallows_the_white_space_of_its_neighbours(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(llama_folder(tmp_path, None, False))
    segments = [Text("The "), Text("\t"), Special("<L>"), Special("<|user|>"), Text("\n"), Text("  "), Text(" The ")]
    assert tokenizer.encode_segments(segments) == [[282], [], [573], [568], [], [], [282, 465]]


@given(st.lists(st.text(max_size=12), max_size=6))
def test_texts_in_a_row_are_one_text(texts: list[str]) -> None:
    for tokenizer in (INTERNLM2, QWEN2):
        ids = tokenizer.encode([Text(text) for text in texts])
        assert ids == [*tokenizer.bos_ids, *tokenizer.encode_text("".join(texts))]


@given(st.text(max_size=60))
def test_every_text_comes_back(text: str) -> None:
    assert INTERNLM2.decode(INTERNLM2.encode_text(text)) == text.replace("▁", " ")


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ConversationError, match=r"U\+D83D"):
        INTERNLM2.encode_text("smile \ud83d")


def test_a_place_for_media_has_no_ids() -> None:
    with pytest.raises(TokenizerError, match="Expand it"):
        INTERNLM2.encode([MediaSlot(())])


@pytest.mark.parametrize(
    ("ids", "skip", "expected"),
    [
        ((282, 565, 335), True, "The cat"),
        ((282, 565, 335), False, "The<|im_end|> cat"),
        ((1, 282, 2, 0), True, "The"),
        ((231, 565, 192, 163), True, "你"),
        ((231, 192), True, "\ufffd\ufffd"),
        ((282, 576, 9999, 335), True, "The cat"),
        ((), True, ""),
    ],
    ids=["skipped", "shown", "controls", "bytes joined", "broken bytes", "padding rows", "nothing"],
)
def test_decoding(ids: tuple[int, ...], skip: bool, expected: str) -> None:
    assert INTERNLM2.decode(ids, skip_special_tokens=skip) == expected


def test_special_ids_and_the_vocabulary() -> None:
    assert INTERNLM2.vocab_size == 576
    assert INTERNLM2.special_id("<IMG_CONTEXT>") == 569
    assert INTERNLM2.special_id("<|plugin|>") == INTERNLM2.special_id("[UNUSED_TOKEN_141]") == 561
    assert QWEN2.special_tokens["<|im_end|>"] == 502


def test_an_unknown_special_token_names_the_folder_and_the_nearest() -> None:
    with pytest.raises(TokenizerError) as caught:
        INTERNLM2.encode([Special("<|img_end|>")])
    assert str(GOLDEN / "tiny") in caught.value.problem
    assert "<|im_end|>" in caught.value.remedy


def test_a_tokenizer_without_special_tokens_names_the_file_that_has_them() -> None:
    bare = replace(QWEN2, tokens=())
    with pytest.raises(TokenizerError, match=r"tokenizer_config\.json"):
        bare.special_id("<|im_end|>")


@pytest.mark.parametrize("tokenizer", [INTERNLM2, QWEN2])
def test_it_can_be_pickled(tokenizer: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.encode([Special("<img>"), Text("The cat 你 <s>")]) == tokenizer.encode(
        [Special("<img>"), Text("The cat 你 <s>")]
    )
    assert copy.special_tokens == tokenizer.special_tokens


def test_a_folder_without_tokenizer_names_the_files_expected(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer\.model.*vocab\.json.*tokenizer\.json"):
        Tokenizer.from_folder(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="is no folder"):
        Tokenizer.from_folder(tmp_path / "none")
