"""What the files of a checkpoint would call a weight that they lack, told by the names of its neighbours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

#: Part of the model, and name inside the part.
Place: TypeAlias = tuple[str, str]
#: ``name`` in the checkpoint -> (``language`` | ``vision`` | ``unused``, name inside that part).
WeightRoute: TypeAlias = "Callable[[str], Place]"

_NUMBER = re.compile(r"\d+")


def missing_names(places: Iterable[Place], found: Mapping[Place, str], route: WeightRoute) -> Iterator[str]:
    """The name of each in the files; part and name inside the part where no neighbour tells it.

    :param found: weights that the files have, with their names there.
    """
    for part, inner in places:
        neighbours = {other: name for (place, other), name in found.items() if place == part}
        guesses = (*_of_other_layers(inner, neighbours), *_behind_a_prefix(inner, neighbours))
        yield next((guess for guess in guesses if route(guess) == (part, inner)), f"{part} {inner}")


def _of_other_layers(inner: str, neighbours: Mapping[str, str]) -> Iterator[str]:
    """Names of weights that differ in numbers alone, with one number replaced by that of this one."""
    for other, name in neighbours.items():
        if _NUMBER.sub("0", other) == _NUMBER.sub("0", inner):
            other_numbers = dict(zip(_NUMBER.findall(other), _NUMBER.findall(inner), strict=True))
            for place in _NUMBER.finditer(name):
                number = other_numbers.get(place.group(), place.group())
                yield name[: place.start()] + number + name[place.end() :]


def _behind_a_prefix(inner: str, neighbours: Mapping[str, str]) -> Iterator[str]:
    """The name behind what stands in front of all weights of the same module, or of the same part."""
    module = inner.split(".")[0]
    for group in ({other: name for other, name in neighbours.items() if other.split(".")[0] == module}, neighbours):
        prefixes = {_prefixes(other, name) for other, name in group.items()}
        if len(prefixes) == 1:
            own, official = prefixes.pop()
            yield official + inner.removeprefix(own)


def _prefixes(inner: str, name: str) -> tuple[str, str]:
    """What stands in front of the words that two names end with alike."""
    ours, theirs = inner.split("."), name.split(".")
    while ours and theirs and ours[-1] == theirs[-1]:
        ours.pop()
        theirs.pop()
    return "".join(f"{word}." for word in ours), "".join(f"{word}." for word in theirs)
