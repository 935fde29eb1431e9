"""The tokenizer of an engine, with the names of Transformers that scripts use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlmplug.prompt import Text

if TYPE_CHECKING:
    from vlmplug.pipeline import Preparer


class HfTokenizer:
    """What swift calls ``engine.hf_tokenizer``: it also knows its model.

    - ``model_type``, ``model_dir``, ``is_multimodal``: of its model.
    - ``preparer``: what makes prompts of that model.
    """

    def __init__(self, preparer: Preparer, is_multimodal: bool) -> None:
        self.preparer = preparer
        self.model_type = preparer.model.model_type
        self.model_dir = str(preparer.model.folder)
        self.is_multimodal = is_multimodal
        self._tokenizer = preparer.model.tokenizer

    @property
    def vocab_size(self) -> int:
        """Number of ids that say something."""
        return self._tokenizer.vocab_size

    def __len__(self) -> int:
        return self.vocab_size

    @property
    def eos_token(self) -> str | None:
        """The token that ends texts; None: there is none."""
        return self._tokenizer.roles.get("eos_token")

    @property
    def eos_token_id(self) -> int | None:
        """Its id."""
        return self._role_id("eos_token")

    @property
    def bos_token(self) -> str | None:
        """The token that begins texts; None: there is none."""
        return self._tokenizer.roles.get("bos_token")

    @property
    def bos_token_id(self) -> int | None:
        """Its id."""
        return self._role_id("bos_token")

    @property
    def pad_token(self) -> str | None:
        """The token that fills up; None: there is none."""
        return self._tokenizer.roles.get("pad_token")

    @property
    def pad_token_id(self) -> int | None:
        """Its id."""
        return self._role_id("pad_token")

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """Ids of a text; strings that look like special tokens become them, as in Transformers."""
        ids = self._tokenizer.encode_segments([Text(text, parse_special_tokens=True)])[0]
        return [*self._tokenizer.bos_ids, *ids] if add_special_tokens else ids

    def decode(self, ids: int | Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of ids."""
        return self._tokenizer.decode([ids] if isinstance(ids, int) else list(ids), skip_special_tokens)

    def convert_tokens_to_ids(self, token: str) -> int | None:
        """Id of a special token; None: there is no such token."""
        return self._tokenizer.special_tokens.get(token)

    def _role_id(self, role: str) -> int | None:
        token = self._tokenizer.roles.get(role)
        return None if token is None else self._tokenizer.special_tokens.get(token)
