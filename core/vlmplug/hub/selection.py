"""Which files of a repository a checkpoint needs: never code, weights that cannot execute, and each weight once."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from vlmplug.errors import HubError, HubNotFoundError
from vlmplug.hub.repository import Listing, RemoteFile

CONFIG = "config.json"

#: The names under which engines look for weights, in one file or in numbered ones with an index.
_SAFE = ("model.safetensors", "*-of-*.safetensors")
#: Opened with ``weights_only=True`` and converted once; see `vlmplug.engine.bin_weights`.
_CONVERTIBLE = ("pytorch_model.bin", "pytorch_model-*-of-*.bin")
_CONVERTIBLE_INDEX = "pytorch_model.bin.index.json"
_SAFE_INDEX = "model.safetensors.index.json"
#: Code, and containers of weights that execute when they are opened or that nothing here reads.
_CODE = (".py", ".pyc", ".so", ".dll", ".sh")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack", ".gguf", ".onnx")


def select(listing: Listing, patterns: Iterable[str]) -> tuple[RemoteFile, ...]:
    """The files that match, small ones before weights, so that a folder with all weights is complete.

    A pattern matches from the top of the repository, part by part: ``*.json`` means no file in a folder.

    :raises HubNotFoundError: there is no ``config.json``. :raises HubError: no weights that are safe to open.
    """
    patterns = tuple(patterns)
    matching = [file for file in listing.files if _is_data(file) and any(_matches(file.path, p) for p in patterns)]
    if not any(file.path == CONFIG for file in matching):
        raise HubNotFoundError(
            f"{listing.repository.page} has no {CONFIG} at {listing.repository.revision}.",
            "Check the repository's id and the revision.",
        )
    weights = _safe(matching) or _convertible(listing)
    indices = {_CONVERTIBLE_INDEX} if any(file.path.endswith(".safetensors") for file in weights) else {_SAFE_INDEX}
    others = [file for file in matching if not file.path.endswith(".safetensors") and file.path not in indices]
    small = {file.path: file for file in (*others, *weights) if not is_weights(file)}
    return (*small.values(), *filter(is_weights, weights))


def is_weights(file: RemoteFile) -> bool:
    """Whether a file holds weights."""
    return any(_matches(file.path, pattern) for pattern in (*_SAFE, *_CONVERTIBLE))


def is_convertible(file: RemoteFile) -> bool:
    """Whether a file holds weights that have to be converted before they can be used."""
    return any(_matches(file.path, pattern) for pattern in _CONVERTIBLE)


def _safe(files: list[RemoteFile]) -> list[RemoteFile]:
    """The weights that an index speaks of, or the one file where there is no index; not the copies beside them."""
    one, numbered = ([file for file in files if _matches(file.path, pattern)] for pattern in _SAFE)
    indexed = any(file.path == _SAFE_INDEX for file in files)
    return (numbered or one) if indexed else one


def _convertible(listing: Listing) -> list[RemoteFile]:
    found = [file for file in listing.files if is_convertible(file)]
    if found:
        return [*(file for file in listing.files if file.path == _CONVERTIBLE_INDEX), *found]
    others = sorted(file.path for file in listing.files if file.path.lower().endswith((".safetensors", *_PICKLES)))
    shown = f"; it holds {', '.join(others[:3])}" if others else ""
    raise HubError(
        f"{listing.repository.page} has no weights that vlmplug opens{shown}.",
        "Use a repository with model.safetensors or pytorch_model.bin files.",
    )


def _is_data(file: RemoteFile) -> bool:
    return not file.path.lower().endswith((*_CODE, *_PICKLES))


def _matches(path: str, pattern: str) -> bool:
    names, parts = path.split("/"), pattern.split("/")
    return len(names) == len(parts) and all(map(fnmatchcase, names, parts))
