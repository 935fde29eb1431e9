"""The tokenizer of a checkpoint: official files in, official ids out, without remote code.

Text is text: a string that looks like a special token stays a row of letters, unless a segment asks for parsing.
The ids are those of the official slow tokenizers (``use_fast=False``): `sentencepiece_model`, `byte_level`,
`tiktoken_ranks` and `tokenizer_json` read the vocabularies, `special_tokens` cuts texts at special tokens, `text_model`
encodes what stands between them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, groupby
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from vlmplug.byte_level import read_qwen2
from vlmplug.detokenizer import Detokenizer, TextStream
from vlmplug.errors import TokenizerError
from vlmplug.fast_tokenizer import fast_config, fast_document
from vlmplug.nearest import did_you_mean
from vlmplug.prompt import GeneratedIds, Segment, Special, Text
from vlmplug.sentencepiece_model import read_sentencepiece
from vlmplug.special_tokens import SpecialToken, SpecialTokenFinder
from vlmplug.text_model import WORD_START, Prefix, TextModel
from vlmplug.tiktoken_ranks import RankFile, read_tiktoken
from vlmplug.tokenizer_files import TokenizerFiles
from vlmplug.tokenizer_json import leading_ids, read_tokenizer_json

_Element: TypeAlias = "Text | SpecialToken | tuple[int, ...]"


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """Immutable and picklable.

    - ``folder``: where its files are, for messages.
    - ``model``: vocabulary and merges. ``tokens``: special and added tokens, in the order of their ids.
    - ``roles``: ``bos_token``, ``eos_token``, … to tokens.
    - ``bos_ids``: what the tokenizer itself puts in front of every prompt.
    """

    folder: Path
    model: TextModel
    tokens: tuple[SpecialToken, ...]
    roles: Mapping[str, str]
    bos_ids: tuple[int, ...]

    @classmethod
    def from_folder(cls, folder: str | PathLike[str]) -> Tokenizer:
        """Reads ``vocab.json`` and ``merges.txt`` (Qwen2), ``tokenizer.model``, or ``tokenizer.json``.

        :raises TokenizerError: no such files, or broken ones; the message names them.
        """
        files = TokenizerFiles.of(Path(folder))
        model = _read_model(files)
        tokens = files.special_tokens(_vocabulary(model))
        return cls(files.folder, model, tokens, files.roles, _bos_ids(files, tokens))

    @classmethod
    def from_ranks(cls, folder: str | PathLike[str], ranks: RankFile) -> Tokenizer:
        """Reads a tiktoken rank file. Nothing stands in front of a prompt but what the family puts there.

        :param ranks: what the family says about the file.
        :raises TokenizerError: it is missing or broken, or the special tokens are.
        """
        files = TokenizerFiles.of(Path(folder), defaults={})
        model = read_tiktoken(files.folder, ranks)
        return cls(files.folder, model, _rank_specials(files, model, ranks), files.roles, ())

    @property
    def vocab_size(self) -> int:
        """One more than the largest id; the language model may have further rows, which say nothing."""
        return max(len(self.model.surfaces), max((token.id for token in self.tokens), default=-1) + 1)

    @cached_property
    def special_tokens(self) -> Mapping[str, int]:
        """Every string that stands for one id, to that id: added tokens, and markers of the sentencepiece model."""
        return {**self.model.markers, **{token.content: token.id for token in self.tokens}}

    def special_id(self, token: str) -> int:
        """Id of a special token.

        :raises TokenizerError: there is none, with the nearest ones.
        """
        if token not in self.special_tokens:
            raise TokenizerError(
                f"The tokenizer in {self.folder} has no special token {token!r}.",
                did_you_mean(token, self.special_tokens)
                if self.special_tokens
                else "It names none at all: is tokenizer_config.json missing? Download it again.",
            )
        return self.special_tokens[token]

    def encode_text(self, text: str) -> list[int]:
        """Ids of a text on its own, all of it text."""
        return self.encode_segments([Text(text)])[0]

    def encode(self, segments: Sequence[Segment]) -> list[int]:
        """Ids of a prompt, with what the tokenizer puts in front.

        :raises TokenizerError: a special token that does not exist, or a `MediaSlot`, which must be expanded first.
        :raises ConversationError: a text that is no valid Unicode.
        """
        return [*self.bos_ids, *chain.from_iterable(self.encode_segments(segments))]

    def encode_segments(self, segments: Sequence[Segment]) -> list[list[int]]:
        """Ids of each segment of a prompt; texts next to each other are encoded as one, for the first of them.

        :raises TokenizerError: as `encode`. :raises ConversationError: as `encode`.
        """
        ids: list[list[int]] = [[] for _ in segments]
        at_start = True
        for owner, run in self._runs(segments):
            ids[owner] += self._encoded(run, at_start)
            at_start = False
        return ids

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Text of ids. Bytes of one character are joined wherever they stand; nothing is cleaned up."""
        return self.detokenizer.decode(ids, skip_special_tokens)

    @cached_property
    def detokenizer(self) -> Detokenizer:
        """What each id says."""
        surfaces = [*self.model.surfaces, *[b""] * (self.vocab_size - len(self.model.surfaces))]
        for token in self.tokens:
            surfaces[token.id] = token.content.encode()
        special = {token.id for token in self.tokens if token.special or token.listed} | self.model.controls
        return Detokenizer(
            surfaces=tuple(surfaces),
            special=frozenset(special),
            drops_first_space=self.model.prefix != "none",
            invalid="character" if self.model.kind == "byte_level" else "byte",
        )

    def fast_json(self) -> str:
        """A ``tokenizer.json`` that encodes and decodes the same; see `fast_document`."""
        by_id = {token.id: token for token in self.tokens}
        leading = [by_id[number] for number in self.bos_ids if number in by_id]
        return json.dumps(fast_document(self.model, self.tokens, leading), ensure_ascii=False)

    def fast_config(self) -> dict[str, Any]:
        """The ``tokenizer_config.json`` that goes with `fast_json`."""
        return fast_config(self.roles)

    @cached_property
    def _finder(self) -> SpecialTokenFinder:
        return SpecialTokenFinder(self.tokens)

    @cached_property
    def _by_content(self) -> dict[str, SpecialToken]:
        return {token.content: token for token in self.tokens}

    def _runs(self, segments: Sequence[Segment]) -> Iterator[tuple[int, Sequence[_Element]]]:
        """Texts that belong together, and everything else alone, with the number of the (first) segment."""
        elements = _stripped(
            [pair for number, segment in enumerate(segments) for pair in self._elements(number, segment)]
        )
        for is_text, group in groupby(elements, lambda pair: isinstance(pair[1], Text)):
            run = list(group)
            if is_text:
                yield run[0][0], [element for _, element in run]
            else:
                yield from ((number, [element]) for number, element in run)

    def _elements(self, number: int, segment: Segment) -> Iterator[tuple[int, _Element]]:
        if isinstance(segment, Special):
            token = self._by_content.get(segment.token)
            yield number, token or SpecialToken(segment.token, self.special_id(segment.token))
        elif isinstance(segment, GeneratedIds):
            yield number, segment.ids
        elif not isinstance(segment, Text):
            raise TokenizerError("A place for media has no ids of its own.", "Expand it with vlmplug.parts.spans.")
        else:
            yield from ((number, element) for element in self._cut(segment))

    def _cut(self, text: Text) -> Iterator[Text | SpecialToken]:
        """The special tokens in a text, where it is parsed, and what stands between them."""
        if self.model.prefix == "first":  # the official Llama tokenizer does, so that stripping finds these spaces too
            text = replace(text, text=text.text.replace(WORD_START, " "))
        pieces = self._finder.split(text.text) if text.parse_special_tokens else filter(None, [text.text])
        for piece in pieces:
            yield replace(text, text=piece) if isinstance(piece, str) else piece

    def _encoded(self, run: Sequence[_Element], at_start: bool) -> list[int]:
        first = run[0]
        if isinstance(first, Text):
            prefixed = self.model.prefix == "each" or (self.model.prefix == "first" and at_start)
            return self.model.encode([element for element in run if isinstance(element, Text)], prefixed)
        if isinstance(first, tuple):
            return list(first)
        # The official Llama tokenizer leaves its space in front of a token that is not in its list of special ones.
        lone_prefix = self.model.prefix == "first" and at_start and not first.listed
        return [*(self.model.lone_prefix if lone_prefix else ()), first.id]


def _stripped(elements: list[tuple[int, _Element]]) -> list[tuple[int, _Element]]:
    """White space that special tokens swallow taken away; texts that are empty then are gone."""
    kept: list[tuple[int, _Element]] = []
    swallowing = False
    for number, element in elements:
        if isinstance(element, Text):
            element = replace(element, text=element.text.lstrip()) if swallowing else element
            if not element.text:
                continue
            swallowing = False
        else:
            if isinstance(element, SpecialToken) and element.lstrip:
                _strip_end(kept)
            swallowing = isinstance(element, SpecialToken) and element.rstrip
        kept.append((number, element))
    return kept


def _strip_end(kept: list[tuple[int, _Element]]) -> None:
    while kept:
        number, last = kept[-1]
        if not isinstance(last, Text):
            return
        kept.pop()
        if left := last.text.rstrip():
            kept.append((number, replace(last, text=left)))
            return


def _read_model(files: TokenizerFiles) -> TextModel:
    if files.tokenizer_class == "Qwen2Tokenizer" and files.has("vocab.json", "merges.txt"):
        return read_qwen2(files.folder)
    if files.has("tokenizer.model"):
        return read_sentencepiece(files.folder / "tokenizer.model", _llama_prefix(files))
    if files.has("tokenizer.json"):
        return read_tokenizer_json(files.tokenizer_json, files.folder / "tokenizer.json")
    raise TokenizerError(
        f"{files.folder} holds no tokenizer that can be read.",
        "Expected tokenizer.model, or vocab.json with merges.txt (Qwen2), or tokenizer.json.",
    )


def _llama_prefix(files: TokenizerFiles) -> Prefix | None:
    """Where the official ``LlamaTokenizer`` puts its space; None: as the sentencepiece model says."""
    legacy = files.config.get("legacy")
    if files.tokenizer_class != "LlamaTokenizer" or legacy is None or legacy:
        return None
    return "first" if files.config.get("add_prefix_space") is not False else "none"


def _vocabulary(model: TextModel) -> dict[str, int]:
    return model.engine.get_vocab(with_added_tokens=False)


def _rank_specials(files: TokenizerFiles, model: TextModel, ranks: RankFile) -> tuple[SpecialToken, ...]:
    if ranks.specials is None:
        return files.special_tokens(_vocabulary(model))
    first = len(model.surfaces)
    return tuple(
        SpecialToken(content, first + place, special=content not in ranks.said, listed=content not in ranks.said)
        for place, content in enumerate(ranks.specials)
    )


def _bos_ids(files: TokenizerFiles, tokens: Sequence[SpecialToken]) -> tuple[int, ...]:
    from_template = files.has("tokenizer.json") and not files.has("tokenizer.model")
    if files.tokenizer_class == "Qwen2Tokenizer":
        return ()
    if from_template and not (files.tokenizer_class == "LlamaTokenizer" and "add_bos_token" in files.config):
        return leading_ids(files.tokenizer_json, files.folder / "tokenizer.json")
    if not files.config.get("add_bos_token", True):
        return ()
    return tuple(token.id for token in tokens if token.content == files.roles.get("bos_token", "<s>"))


__all__ = ["TextStream", "Tokenizer"]
