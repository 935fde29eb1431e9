"""The tokenizer: the official layout, and one the weights can rely on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from training.prompts import SYSTEM
from training.small_talk import INTRODUCTION
from training.state import Progress
from training.tokenizer import SPECIAL_TOKENS, VOCABULARY, Encoder, write_tokenizer

#: `tokenizer.json` that the shipped weights were trained with.
FINGERPRINT = "ee92969a1e9c28a199c0e9f9515cd97a7f72aa6cc1e3d755f512d78e6056d735"
FILES = (
    "added_tokens.json", "merges.txt", "special_tokens_map.json",
    "tokenizer.json", "tokenizer_config.json", "vocab.json",
)  # fmt: skip


def test_the_shipped_tokenizer_is_the_one_of_the_weights(encoder: Encoder) -> None:
    Progress(tokenizer=FINGERPRINT).check_tokenizer(encoder.fingerprint)


def test_special_tokens_come_last_in_the_official_order(encoder: Encoder) -> None:
    ids = [encoder.encode(token) for token in SPECIAL_TOKENS]
    assert ids == [(number,) for number in range(VOCABULARY - len(SPECIAL_TOKENS), VOCABULARY)]
    assert (encoder.context, encoder.end) == (ids[5][0], ids[2][0])


@pytest.mark.parametrize("text", [SYSTEM, INTRODUCTION, "Ünïcödé 🦑 <box> a\n\n b", "", "<|im_end|>x"])
def test_text_survives(text: str, encoder: Encoder) -> None:
    assert encoder.decode(list(encoder.encode(text))) == text


def test_writing_gives_the_shipped_files(checkpoint: Path, tmp_path: Path) -> None:
    write_tokenizer(Tokenizer.from_file(str(checkpoint / "tokenizer.json")), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (checkpoint / name).read_bytes()


def test_the_slow_files_say_the_same_as_the_fast_one(checkpoint: Path) -> None:
    fast = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = json.loads((checkpoint / "vocab.json").read_text(encoding="utf-8"))
    added = json.loads((checkpoint / "added_tokens.json").read_text(encoding="utf-8"))
    merges = (checkpoint / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert fast["model"]["vocab"] == vocabulary
    assert [" ".join(pair) for pair in fast["model"]["merges"]] == merges
    assert {token["content"]: token["id"] for token in fast["added_tokens"]} == added
    assert len(vocabulary | added) == VOCABULARY


def test_another_tokenizer_has_another_fingerprint(checkpoint: Path, tmp_path: Path) -> None:
    file = Path(shutil.copyfile(checkpoint / "tokenizer.json", tmp_path / "tokenizer.json"))
    assert Encoder(tmp_path).fingerprint == FINGERPRINT
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert Encoder(tmp_path).fingerprint != FINGERPRINT
