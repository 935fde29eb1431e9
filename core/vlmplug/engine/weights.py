"""Weight files: which there are, and whether they hold what the model reads, before anything is built."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from vlmplug.engine.awq import is_packed, stored_shapes
from vlmplug.engine.bin_weights import INDEX, bin_files, converted_folder
from vlmplug.engine.language_shapes import PARTIAL_LORA, Shape
from vlmplug.engine.tower_weights import computed_weights, empty_tower, tower_shapes, weight_shapes
from vlmplug.engine.weight_names import Place, WeightRoute, missing_names
from vlmplug.errors import WeightsError
from vlmplug.import_path import load
from vlmplug.model import FamilyModel

_SHOWN = 5
#: Where it is tied to the embeddings, some checkpoints hold it all the same; lmdeploy leaves that copy alone.
_HEAD = ("language", "lm_head.weight")
#: Data types of safetensors that weights may have, and that of packed 4-bit numbers.
_FLOATS = frozenset({"F16", "BF16", "F32", "F64"})
_PACKED_TYPES = frozenset({"I32"})
_PACKED_BYTES = 4


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, as its index lists them, or the only one.

    Where it has ``.bin`` files only, those of their conversion; the first call makes it.

    :raises WeightsError: there is none, or the index names files that are not there.
    :raises DiskSpaceError: no space for the conversion.
    """
    index = folder / INDEX
    if index.is_file():
        names = sorted(set(_read_index(index).values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise WeightsError(
                f"{index} names files that are not there: {_few(len(missing), missing)}.",
                "Download the checkpoint again.",
            )
        return [folder / name for name in names]
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    if convertible := bin_files(folder):
        return weight_files(converted_folder(convertible))
    raise WeightsError(
        f"{folder} holds no model.safetensors, no {INDEX} and no pytorch_model.bin.",
        'Give the folder of a complete checkpoint, or weights="random" to run without one.',
    )


def _read_index(index: Path) -> dict[str, str]:
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{index} cannot be read: {error}.", "Download the checkpoint again.") from error
    if not isinstance(weight_map, dict) or any(Path(str(name)).name != name for name in weight_map.values()):
        raise WeightsError(f"{index} does not map weights to plain file names.", "Download the checkpoint again.")
    return weight_map


def _stored(files: Iterable[Path]) -> dict[str, tuple[Shape, str]]:
    """Shape and data type of every tensor in the files, read from their headers only.

    :raises WeightsError: a file is cut short or is no safetensors file.
    """
    found: dict[str, tuple[Shape, str]] = {}
    for file in files:
        try:
            with safe_open(file, framework="numpy") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    tensor = tensors.get_slice(name)
                    found[name] = tuple(tensor.get_shape()), str(tensor.get_dtype())
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{file} cannot be read: {error}.", "Download the file again.") from error
    return found


def language_config(model: FamilyModel) -> dict[str, Any]:
    """The language model's configuration as the engine reads it: with what the family adds to it."""
    additions = {name: asdict(addition) for name, addition in model.partial_lora.items()}
    return {**model.text_config, **({PARTIAL_LORA: additions} if additions else {})}


def check_weights(model: FamilyModel) -> None:
    """Compares the files with what tower and language model read.

    :raises WeightsError: naming missing, unexpected and misshapen weights, a few of each.
    """
    tower = empty_tower(model.tower)
    expected = {("vision", name): shape for name, shape in weight_shapes(tower).items()}
    expected |= {("language", name): shape for name, shape in stored_shapes(language_config(model)).items()}
    route: WeightRoute = load(model.weight_route)
    stored = {route(name): (name, tensor) for name, tensor in _stored(weight_files(model.folder)).items()}
    unread = {_HEAD} if model.text_config.get("tie_word_embeddings") else set()
    found = {place: value for place, value in stored.items() if place[0] != "unused" and place not in unread}
    computed = {("vision", name) for name in computed_weights(tower)}
    missing = [place for place in expected if place not in found and place not in computed]
    named = missing_names(missing, {place: name for place, (name, _) in found.items()}, route)
    problems = [*_listed("missing", len(missing), named), *_differences(expected, found)]
    if problems:
        raise WeightsError(
            f"The weights in {model.folder} do not fit its config.json: {'; '.join(problems)}.",
            "Use the files of one and the same checkpoint, or download it again.",
        )


def _differences(
    expected: Mapping[Place, Shape], found: Mapping[Place, tuple[str, tuple[Shape, str]]]
) -> Iterator[str]:
    extra = [name for place, (name, _) in found.items() if place not in expected]
    misshapen = [
        f"{name} is {list(shape)}, expected {list(expected[place])}"
        for place, (name, (shape, _)) in found.items()
        if place in expected and expected[place] != shape
    ]
    typed = [f"{name} is {kind}" for place, (name, (_, kind)) in found.items() if kind not in _types(place)]
    for title, names in (("unexpected", extra), ("misshapen", misshapen), ("of another data type", typed)):
        yield from _listed(title, len(names), names)


def _types(place: Place) -> frozenset[str]:
    part, name = place
    return _PACKED_TYPES if part == "language" and is_packed(name) else _FLOATS


def _listed(title: str, count: int, names: Iterable[str]) -> Iterator[str]:
    """How many have a fault, and some of them; nothing where none has."""
    if count:
        yield f"{count} {title} ({_few(count, names)})"


def _few(count: int, names: Iterable[str]) -> str:
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    return ", ".join(islice(names, _SHOWN)) + more


def parameter_bytes(model: FamilyModel, bytes_each: int) -> int:
    """Memory that all weights take at ``bytes_each`` bytes a value; packed ones at their own."""
    shapes: dict[str, Any] = {**tower_shapes(model.tower), **stored_shapes(language_config(model))}
    return sum(prod(shape) * (_PACKED_BYTES if is_packed(name) else bytes_each) for name, shape in shapes.items())
