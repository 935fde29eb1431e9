"""A family's tiny checkpoint: its files but for the weights, and the weights of a trained state."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors.torch import load_file, save_file

from training.export import WEIGHTS, other_tensors, too_large
from training.families.description import TinyFamily
from training.families.model import new_network, official_weights
from training.families.prompts import Prompter
from training.families.vocabulary import shared_vocabulary
from training.state import AVERAGE, load_parameters, read_progress


def write_files(family: TinyFamily, folder: Path) -> None:
    """Configuration and tokenizer, in the official form."""
    folder.mkdir(parents=True, exist_ok=True)
    family.write(folder, shared_vocabulary())


def fingerprint(folder: Path) -> str:
    """SHA-256 over everything but the weights: they are worth nothing with other files."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.name != WEIGHTS:
            digest.update(f"{file.name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def export(family: TinyFamily, state: Path, folder: Path) -> None:
    """Writes the whole checkpoint of a trained state.

    :raises OSError: the state has no averaged weights.
    :raises ValueError: the state was trained with other files.
    """
    write_files(family, folder)
    read_progress(state).check_tokenizer(fingerprint(folder))
    network = new_network(family, Prompter(family, folder).model)
    load_parameters(network, load_file(state / AVERAGE))
    save_file(official_weights(family, network), folder / WEIGHTS, {"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)


def differences(family: TinyFamily, state: Path, folder: Path) -> list[str]:
    """What is wrong with an exported checkpoint, one line each: names, values, files, size."""
    network = new_network(family, Prompter(family, folder).model)
    load_parameters(network, load_file(state / AVERAGE))
    written, expected = load_file(folder / WEIGHTS), official_weights(family, network)
    wrong = other_tensors(written, expected)
    if read_progress(state).tokenizer != fingerprint(folder):
        wrong.append("the files are not those that the state was trained with")
    return [*wrong, *too_large(folder)]
