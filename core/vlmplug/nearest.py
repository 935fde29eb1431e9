""" "Did you mean": the nearest valid word, for every message about a word that is not valid."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 12


def nearest(word: str, valid: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """The words of ``valid`` that look most like ``word``, best first; at most ``count``."""
    from difflib import get_close_matches  # only errors need it, and listing has to be fast

    spelled = {_plain(candidate): candidate for candidate in valid}
    return tuple(spelled[match] for match in get_close_matches(_plain(word), spelled, count, 0.6))


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """A remedy: the nearest valid words, or all of them where none is near and they are few."""
    candidates = sorted(set(valid))
    matches = nearest(word, candidates)
    if matches:
        return f"Did you mean {' or '.join(matches)}?"
    if not candidates:
        return "There is none to choose from."
    more = f" and {len(candidates) - _SHOWN} more" if len(candidates) > _SHOWN else ""
    return f"Valid: {', '.join(candidates[:_SHOWN])}{more}."


def _plain(word: str) -> str:
    return word.lower().replace("_", "-")
