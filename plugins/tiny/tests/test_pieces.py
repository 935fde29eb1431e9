"""The shared vocabulary as a sentencepiece model: the library reads it, and our tokenizer gives its ids."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece

from training.families.pieces import sentencepiece_model
from training.families.vocabulary import shared_vocabulary
from vlmplug.tokenizer import Tokenizer

SPECIALS = ("[START]", "[END]")
TEXTS = (
    "Where is the red circle?",
    "A blue star, two green squares.\nAnd  two spaces",
    " It starts with a space",
    "user\n",
    "naïve ☃",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "tokenizer.model").write_bytes(sentencepiece_model(shared_vocabulary(), SPECIALS).SerializeToString())
    return folder


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_the_library(folder: Path, text: str) -> None:
    library = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    ids = Tokenizer.from_folder(folder).encode_text(text)
    assert ids == library.encode(text)
    assert library.decode(ids) == text


def test_words_of_the_generator_are_single_pieces(folder: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder)
    for word in (" circle", " red", " picture", " the"):
        assert len(tokenizer.encode_text(word)) == 1, word


def test_special_pieces_are_the_last_ids(folder: Path) -> None:
    library = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    assert [library.id_to_piece(library.vocab_size() - place) for place in (2, 1)] == list(SPECIALS)
    assert [library.id_to_piece(number) for number in range(4)] == ["<unk>", "<s>", "</s>", "<0x00>"]
