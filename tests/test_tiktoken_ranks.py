"""tiktoken rank files: the ids are those of the tiktoken package, the files may be broken."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest
import tokenizers
from hypothesis import assume, given
from hypothesis import strategies as st

from vlmplug.errors import TokenizerError
from vlmplug.prompt import Special, Text
from vlmplug.tiktoken_ranks import RankFile, read_ranks, read_tiktoken
from vlmplug.tokenizer import Tokenizer

FOLDER = Path(__file__).parent / "golden" / "glm4v" / "tiny"
#: GLM-4's way to cut texts, and Qwen's, whose numbers are single digits.
GLM4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = GLM4.replace("{1,3}", "")
BYTES = {bytes([byte]): byte for byte in range(256)}

#: Letters, marks, digits, spaces of all kinds, and what tokens of the file are made of.
LETTERS = "ab the ing'Ss\u017fLl1234 \t\r\n\u00a0\u2028\u3000人工智能图片é\u0301Ω😀_-.,!?=<|>"
TEXTS = st.text(st.sampled_from(LETTERS), max_size=40)
RUNS = st.builds(lambda letter, count: letter * count, st.sampled_from("a =\n 图9"), st.integers(1, 60))


def write(file: Path, ranks: Mapping[bytes, int]) -> Path:
    file.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()))
    return file


def official(ranks: Mapping[bytes, int], pattern: str, text: str) -> list[int]:
    tiktoken = pytest.importorskip("tiktoken")
    encoding = tiktoken.Encoding("official", pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens={})
    ids: list[int] = encoding.encode(text, disallowed_special=())
    return ids


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_ranks(FOLDER, RankFile("tokenizer.model", GLM4))


RANKS = read_ranks(FOLDER / "tokenizer.model")
MODELS = {pattern: read_tiktoken(FOLDER, RankFile("tokenizer.model", pattern)) for pattern in (GLM4, QWEN)}


@pytest.mark.parametrize("pattern", [GLM4, QWEN], ids=["GLM-4", "Qwen"])
@given(text=TEXTS | RUNS)
def test_ids_are_those_of_tiktoken(pattern: str, text: str) -> None:
    assert MODELS[pattern].encode([Text(text)], prefixed=False) == official(RANKS, pattern, text)


@given(tokens=st.lists(st.text("abcd", min_size=2, max_size=6), unique=True, max_size=12), text=st.text("abcd"))
def test_any_vocabulary(tokens: list[str], text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also one whose tokens are not made of tokens of lower ranks, as after several trainings.

    Where two pairs make the same token and overlap in a text, tiktoken takes the left one, and merges that are a list
    cannot say so: vocabularies of training runs make a token in one way.
    """
    ranks = {**BYTES, **{token.encode(): 256 + number for number, token in enumerate(tokens)}}
    assume(all(len(pairs(ranks, token.encode())) < 2 for token in tokens))
    write(tmp_path_factory.getbasetemp() / "any.tiktoken", ranks)
    model = read_tiktoken(tmp_path_factory.getbasetemp(), RankFile("any.tiktoken", r"\p{L}+"))
    for piece in (text, *tokens, text.join(tokens)):
        assert model.encode([Text(piece)], prefixed=False) == official(ranks, r"\p{L}+", piece)


def pairs(ranks: Mapping[bytes, int], token: bytes) -> list[tuple[bytes, bytes]]:
    """The ways to make a token of two others."""
    cuts = [(token[:place], token[place:]) for place in range(1, len(token))]
    return [(left, right) for left, right in cuts if left in ranks and right in ranks]


def test_a_token_that_no_lower_ranks_make_is_found(tmp_path: Path) -> None:
    """ab + cd = abcd, although cd came later."""
    ranks = {**BYTES, b"ab": 256, b"abcd": 257, b"cd": 258}
    write(tmp_path / "x", ranks)
    model = read_tiktoken(tmp_path, RankFile("x", r"\w+"))
    assert model.encode([Text("abcde")], prefixed=False) == [257, ord("e")] == official(ranks, r"\w+", "abcde")


def test_special_tokens_are_those_of_the_configuration(tokenizer: Tokenizer) -> None:
    assert (tokenizer.vocab_size, tokenizer.bos_ids) == (634, ())
    assert tokenizer.special_id("<|endoftext|>") == 620 and tokenizer.special_id("<|end_of_video|>") == 633
    assert tokenizer.roles == {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    assert len(tokenizer.tokens) == 14, "no bos of sentencepiece models"


def test_what_is_said_stays_in_answers() -> None:
    named = RankFile("tokenizer.model", QWEN, specials=("<|endoftext|>", "<box>"), said=("<box>",))
    tokenizer = Tokenizer.from_ranks(FOLDER, named)
    ids = [tokenizer.special_id(token) for token in ("<box>", "<|endoftext|>", "<box>")]
    assert tokenizer.decode(ids) == "<box><box>"
    assert tokenizer.decode(ids, skip_special_tokens=False) == "<box><|endoftext|><box>"


def test_special_tokens_may_be_named() -> None:
    named = RankFile("tokenizer.model", QWEN, specials=("<|endoftext|>", "<|im_start|>"), normal_form="NFC")
    tokenizer = Tokenizer.from_ranks(FOLDER, named)
    assert dict(tokenizer.special_tokens) == {"<|endoftext|>": 620, "<|im_start|>": 621}
    assert tokenizer.encode_text("e\u0301") == tokenizer.encode_text("\u00e9")


def test_text_stays_text_and_specials_are_one_id(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode([Special("<|user|>"), Text("<|user|>")])
    assert ids[0] == 627 and 627 not in ids[1:]
    assert tokenizer.decode(ids, skip_special_tokens=False) == "<|user|><|user|>"
    assert tokenizer.decode(ids) == "<|user|>"


@given(text=TEXTS)
def test_decoding_gives_the_text_back(text: str) -> None:
    tokenizer = Tokenizer.from_ranks(FOLDER, RankFile("tokenizer.model", GLM4))
    assert tokenizer.decode(tokenizer.encode_text(text)) == text


@given(text=TEXTS.filter(lambda text: "<|" not in text))
def test_the_fast_tokenizer_gives_the_same_ids(text: str) -> None:
    assert FAST.encode(text).ids == SLOW.encode_text(text)
    assert FAST.decode(FAST.encode(text).ids) == text


SLOW = Tokenizer.from_ranks(FOLDER, RankFile("tokenizer.model", GLM4))
FAST = tokenizers.Tokenizer.from_str(SLOW.fast_json())


def test_a_tokenizer_travels_to_other_processes(tokenizer: Tokenizer) -> None:
    assert pickle.loads(pickle.dumps(tokenizer)).encode_text("图片 1234") == tokenizer.encode_text("图片 1234")


def line(token: bytes, rank: object) -> bytes:
    return base64.b64encode(token) + b" " + str(rank).encode()


GOOD = [line(token, rank) for token, rank in BYTES.items()]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([*GOOD, b"no base64! 256"], ":257: no token in base64"),
        ([*GOOD, b"YWI="], ":257: no token in base64"),
        ([*GOOD, b"YWI= x"], ":257: no token in base64"),
        ([*GOOD, line(b"ab", -1)], ":257: a token of 2 bytes with rank -1"),
        ([*GOOD, line(b"ab", 10**9)], "with rank 1000000000"),
        ([*GOOD, line(b"", 256)], ":257: no token in base64"),
        ([*GOOD, line(b"a" * 2000, 256)], "a token of 2000 bytes"),
        ([*GOOD, line(b"a", 256)], ":257: the token is there twice"),
        ([*GOOD, line(b"ab", 7)], "one rank to several tokens"),
        (GOOD[:-2], "no token for 0xFE, 0xFF"),
        ([], "no token for 0x00"),
    ],
)
def test_broken_files_are_named(lines: list[bytes], says: str, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.model"
    file.write_bytes(b"\n".join(lines))
    with pytest.raises(TokenizerError, match=says) as caught:
        read_ranks(file)
    assert str(file) in caught.value.problem


def test_empty_lines_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    file = tmp_path / "ranks"
    file.write_bytes(b"\r\n".join(GOOD) + b"\r\n\r\n")
    assert read_ranks(file) == BYTES


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="cannot be read"):
        read_ranks(tmp_path / "absent")
