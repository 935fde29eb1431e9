"""The tokenizer files of a model folder as official repositories have them: which there are and what they declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmplug.errors import TokenizerError
from vlmplug.json_files import read_json, read_json_if_there
from vlmplug.special_tokens import SpecialToken
from vlmplug.text_model import MAX_IDS

#: Roles that ``tokenizer_config.json`` and ``special_tokens_map.json`` give to tokens.
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_FLAGS = ("lstrip", "rstrip", "single_word")
# What the official classes fill in where the files are silent.
_SENTENCEPIECE = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_DEFAULTS = {"Qwen2Tokenizer": dict.fromkeys(("eos_token", "unk_token", "pad_token"), "<|endoftext|>")}


@dataclass(frozen=True)
class TokenizerFiles:
    """What the small JSON files say.

    :ivar folder: the model folder.
    :ivar config: ``tokenizer_config.json``; empty where it is missing.
    :ivar special_map: ``special_tokens_map.json``; empty where it is missing.
    :ivar defaults: role to token where the files are silent; None: what the tokenizer's class fills in.
    """

    folder: Path
    config: Mapping[str, Any]
    special_map: Mapping[str, Any]
    defaults: Mapping[str, str] | None = None

    @classmethod
    def of(cls, folder: Path, defaults: Mapping[str, str] | None = None) -> TokenizerFiles:
        """Reads the small files of a folder.

        :raises TokenizerError: no such folder, or one of the files is broken.
        """
        if not folder.is_dir():
            raise TokenizerError(f"{folder} is no folder.", "Give the folder of a checkpoint.")
        config = read_json_if_there(folder / "tokenizer_config.json", TokenizerError)
        special_map = read_json_if_there(folder / "special_tokens_map.json", TokenizerError)
        return cls(folder, config, special_map, defaults)

    @property
    def tokenizer_class(self) -> str:
        """Class that the configuration names, without the ending ``Fast``; empty where it names none."""
        return str(self.config.get("tokenizer_class") or "").removesuffix("Fast")

    def has(self, *names: str) -> bool:
        """Whether all of these files are there."""
        return all((self.folder / name).exists() for name in names)

    @cached_property
    def roles(self) -> dict[str, str]:
        """Role to token, for the roles that are filled."""
        found = {role: self._declared(role) for role in ROLES}
        return {role: _content(token) for role, token in found.items() if token is not None}

    @cached_property
    def listed(self) -> tuple[str, ...]:
        """Tokens of the roles, then the additional special tokens, each once."""
        additional = self._declared("additional_special_tokens") or ()
        return tuple(dict.fromkeys([*self.roles.values(), *map(_content, additional)]))

    def _declared(self, key: str) -> Any:
        for source in (self.config, self.special_map):
            if key in source:
                return source[key]
        return self._defaults.get(key)

    @cached_property
    def _defaults(self) -> Mapping[str, str]:
        if self.defaults is not None:
            return self.defaults
        return _DEFAULTS.get(self.tokenizer_class, _SENTENCEPIECE if self.has("tokenizer.model") else {})

    def special_tokens(self, vocabulary: Mapping[str, int]) -> tuple[SpecialToken, ...]:
        """Every added and special token, in the order of the ids.

        ``added_tokens_decoder`` of ``tokenizer_config.json`` wins; without it ``tokenizer.json``, then
        ``added_tokens.json`` declare them. A listed token that none of them holds has its id in the vocabulary, or the
        next free one.

        :param vocabulary: pieces of the text model, to ids.
        :raises TokenizerError: a declaration is malformed.
        """
        try:
            found, listed = {token.content: token for token in self._declarations()}, self.listed
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TokenizerError(
                f"{self.folder}: the added tokens are malformed ({error!r}).",
                "Download the tokenizer files again.",
            ) from error
        free = max([*vocabulary.values(), *(token.id for token in found.values())], default=-1) + 1
        for content in listed:
            if content not in found:
                found[content] = SpecialToken(content, vocabulary.get(content, free))
                free += content not in vocabulary
        marked = (replace(token, listed=token.content in listed) for token in found.values())
        return tuple(sorted(marked, key=lambda token: token.id))

    def _declarations(self) -> Iterator[SpecialToken]:
        if "added_tokens_decoder" in self.config:
            for number, fields in self.config["added_tokens_decoder"].items():
                yield _token(int(number), fields)
        elif self.has("tokenizer.json"):
            for fields in self.tokenizer_json.get("added_tokens") or ():
                yield _token(int(fields["id"]), fields)
        else:
            flags = {_content(token): token for token in self._flagged()}
            for content, number in read_json_if_there(self.folder / "added_tokens.json", TokenizerError).items():
                yield _token(
                    int(number),
                    {"special": content in self.listed, **flags.get(content, {}), "content": content},
                )

    def _flagged(self) -> Iterator[dict[str, Any]]:
        for value in self.special_map.values():
            yield from (token for token in (value if isinstance(value, list) else [value]) if isinstance(token, dict))

    @cached_property
    def tokenizer_json(self) -> dict[str, Any]:
        """``tokenizer.json``.

        :raises TokenizerError: it is missing or broken.
        """
        return read_json(self.folder / "tokenizer.json", TokenizerError)


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, Mapping) else token)


def _token(number: int, fields: Mapping[str, Any]) -> SpecialToken:
    if not 0 <= number < MAX_IDS:
        raise ValueError(f"{number} is no id")
    flags = {name: bool(fields.get(name, False)) for name in _FLAGS}
    return SpecialToken(_content(fields), number, special=bool(fields.get("special", False)), **flags)
