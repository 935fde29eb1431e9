"""Missing weights are called what the checkpoint's files would call them, or what the model does."""

from __future__ import annotations

import re

import pytest

from vlmplug.engine.weight_names import Place, missing_names


def route(name: str) -> Place:
    """Official names of an imagined family: layers renamed, the tower behind two prefixes."""
    if layer := re.fullmatch(r"h\.(\d+)\.(\w+)", name):
        return "language", f"model.layers.{layer[1]}.self_{layer[2].replace('w1', 'up')}"
    for prefix, module in (("visual.low.", "small."), ("visual.high.", "large.")):
        if name.startswith(prefix):
            return "vision", module + name.removeprefix(prefix)
    return ("language", "model.norm") if name == "final" else ("vision", name)


STORED = (
    *("h.0.query", "h.0.key", "h.1.key", "h.1.w1", "h.2.w1", "final"),
    *("visual.low.blocks.0.weight", "visual.low.blocks.1.weight", "visual.high.head.weight", "aligner"),
)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (("language", "model.layers.1.self_query"), "h.1.query"),
        (("language", "model.layers.17.self_key"), "h.17.key"),
        (("language", "model.layers.0.self_up"), "h.0.w1"),
        (("vision", "small.blocks.7.weight"), "visual.low.blocks.7.weight"),
        (("vision", "large.neck.bias"), "visual.high.neck.bias"),
        (("language", "model.layers.1.self_value"), "language model.layers.1.self_value"),
        (("vision", "newline"), "vision newline"),
    ],
    ids=[
        "another layer",
        "another number",
        "a number of the kind",
        "numbered",
        "same module",
        "no neighbour",
        "no neighbour in the tower",
    ],
)
def test_names_follow_those_of_neighbours(place: Place, name: str) -> None:
    found = {route(stored): stored for stored in STORED}
    assert list(missing_names([place], found, route)) == [name]


@pytest.mark.parametrize("missing", STORED)
def test_a_name_is_right_or_that_of_the_model(missing: str) -> None:
    found = {route(stored): stored for stored in STORED if stored != missing}
    assert list(missing_names([route(missing)], found, route)) in ([missing], [" ".join(route(missing))])


def test_without_any_weight_the_model_names_them() -> None:
    assert list(missing_names([("language", "model.norm")], {}, route)) == ["language model.norm"]
