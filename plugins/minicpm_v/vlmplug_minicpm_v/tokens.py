"""The official tokenizer, less what its class does to the padding token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vlmplug.errors import TokenizerError
from vlmplug.tokenizer import Tokenizer
from vlmplug_minicpm_v.versions import Version


def official_tokenizer(folder: Path, version: Version) -> tuple[Tokenizer, tuple[str, int] | None]:
    """The tokenizer, and the piece of text that its class takes for a special token, with its id.

    Llama 3 has no padding token, and 2.5 declares ``!`` as one. So the official class never merges an exclamation mark
    with its neighbours, and the official chat leaves it out of answers. The ids of prompts are the official ones; but
    an answer keeps what was said.

    The prompt begins with what the chat template puts there, if it puts something there: the tokenizer adds nothing.

    :raises TokenizerError: files are missing or broken, or there is no token for the beginning of the prompt.
    """
    tokenizer = Tokenizer.from_folder(folder)
    if version.opening:
        if version.opening not in tokenizer.roles:
            raise TokenizerError(f"{folder} declares no {version.opening}.", "Download the tokenizer files again.")
        tokenizer = replace(tokenizer, bos_ids=())
    letter = _padding_letter(tokenizer)
    if letter is None:
        return tokenizer, None
    others = tuple(token for token in tokenizer.tokens if token.id != letter[1])
    return replace(tokenizer, tokens=others), letter


def _padding_letter(tokenizer: Tokenizer) -> tuple[str, int] | None:
    """The padding token where texts have it, too."""
    padding = tokenizer.roles.get("pad_token")
    if padding is None or (padding.startswith("<") and padding.endswith(">")):
        return None
    number, pieces = tokenizer.special_id(padding), tokenizer.model.surfaces
    return (padding, number) if number < len(pieces) and pieces[number] == padding.encode() else None
