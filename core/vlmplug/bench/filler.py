"""Text of a given number of tokens: seeded words that mean nothing, for prompts of a chosen length."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence

#: The ids of a text.
Encode = Callable[[str], Sequence[int]]

_WORDS = (
    *("and", "the", "one", "all", "over", "time", "light", "water", "small", "house"),
    *("green", "stone", "where", "under", "river", "morning", "garden", "letter", "summer", "window"),
    *("paper", "table", "bridge", "market", "winter", "silver", "orange", "forest", "yellow", "corner"),
)


def filler(tokens: int, encode: Encode, seed: str) -> str:
    """Words that make ``tokens`` tokens together, or as many less as a further word would be too long.

    Another ``seed`` gives another text from its first words on. There is always one word.
    """
    words = random.Random(seed).choices(_WORDS, k=max(tokens, 1))  # a word has at least one token
    count = bisect_right(range(1, len(words) + 1), tokens, key=lambda count: len(encode(" ".join(words[:count]))))
    return " ".join(words[: max(count, 1)])
