"""Writes the trained model as an official InternVL2 checkpoint.

python -m training.export --state state --out vlmplug_tiny/checkpoint
python -m training.export --state state --out vlmplug_tiny/checkpoint --check
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.model import checkpoint_config, new_model
from training.state import AVERAGE, load_parameters, read_progress
from training.tiles import TILE
from training.tokenizer import SPECIAL_TOKENS, Encoder, write_json

WEIGHTS = "model.safetensors"
#: Most bytes that the folder may take.
MOST_BYTES = 6_000_000
#: Statistics of the official ``preprocessor_config.json``.
PREPROCESSOR: dict[str, Any] = {
    "crop_size": TILE,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "size": TILE,
}


def official(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the trained model, bfloat16, under the official names."""
    return {name.removeprefix("tower."): tensor.to(torch.bfloat16).contiguous() for name, tensor in tensors.items()}


def trained(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official tensors under the names of the trained model."""
    return {name if name.startswith("language_model.") else f"tower.{name}": tensor for name, tensor in tensors.items()}


def read_config(folder: Path) -> dict[str, Any]:
    encoder = Encoder(folder)
    ids = {token: encoder.encode(token)[0] for token in SPECIAL_TOKENS}
    return checkpoint_config(ids, encoder.tokenizer.get_vocab_size())


def export(state: Path, folder: Path) -> None:
    """Writes weights and configuration beside the tokenizer, which is in the folder already.

    :raises OSError: the state has no averaged weights, or the folder no tokenizer.
    :raises ValueError: the state was trained with another tokenizer.
    """
    read_progress(state).check_tokenizer(Encoder(folder).fingerprint)
    config = read_config(folder)
    llm = config["llm_config"]
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", PREPROCESSOR)
    generation = {
        "_from_model_config": True,
        "bos_token_id": llm["bos_token_id"],
        "eos_token_id": llm["eos_token_id"],
    }
    write_json(folder / "generation_config.json", generation)
    save_file(official(load_file(state / AVERAGE)), folder / WEIGHTS, {"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)


def differences(state: Path, folder: Path) -> list[str]:
    """What is wrong with an exported checkpoint, one line each: names, values, size.

    :raises KeyError: the model cannot be built from it.
    """
    written, expected = load_file(folder / WEIGHTS), official(load_file(state / AVERAGE))
    load_parameters(new_model(read_config(folder)), trained(written))
    return [*other_tensors(written, expected), *too_large(folder)]


def other_tensors(written: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """Names that are not on both sides, and values that differ, one line each."""
    shared = sorted(written.keys() & expected.keys())
    wrong = [f"{name}: missing on one side" for name in sorted(written.keys() ^ expected.keys())]
    return wrong + [f"{name}: other values" for name in shared if not torch.equal(written[name], expected[name])]


def too_large(folder: Path) -> list[str]:
    """A line where a checkpoint takes more than `MOST_BYTES`."""
    size = sum(file.stat().st_size for file in folder.iterdir())
    return [f"{size} bytes, at most {MOST_BYTES} allowed"] if size > MOST_BYTES else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=Path("state"))
    parser.add_argument("--out", type=Path, default=Path("vlmplug_tiny/checkpoint"))
    parser.add_argument("--check", action="store_true", help="compare what is there with the state; write nothing")
    options = parser.parse_args()
    if not options.check:
        export(options.state, options.out)
    wrong = differences(options.state, options.out)
    print("\n".join(wrong) or f"{options.out} holds the state's weights")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
