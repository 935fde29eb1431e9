"""Quantised weights as a ``config.json`` declares them, and which of them the engine can run: 4-bit AWQ.

lmdeploy's ``auto_awq``, with which OpenGVLab made its checkpoints, writes ``quantization_config`` into the section of
the language model; others write it at the top. Both places are read. Nothing here imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vlmplug.errors import CheckpointMismatchError

QUANTISATION = "quantization_config"
AWQ: Final = "awq"
#: Weights that share a scale and a zero; lmdeploy's kernels read a group as one block.
GROUP_SIZES = (32, 64, 128)

#: Where ``config.json`` keeps the language model; else it stands at the top.
LANGUAGE_SECTIONS = ("llm_config", "text_config", "language_config")
_LOADING_FLAGS = ("load_in_8bit", "load_in_4bit")
_NO_KERNELS = frozenset({"gptq", "bitsandbytes", "hqq", "quanto", "aqlm", "eetq"})
_UNUSABLE = "Use a 4-bit AWQ checkpoint, or the unquantised one."


def quantisation_method(config: Mapping[str, Any]) -> str:
    """How the weights of a checkpoint are quantised, in small letters (``awq``, ``gptq`` …); empty: not at all."""
    return next(map(_method, _declared(config)), "")


def read_quantisation(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the language model's configuration has to say about quantised weights; None where they are not quantised.

    :param config: a checkpoint's whole ``config.json``.
    :returns: ``quant_method``, ``bits``, ``group_size``, ``version``, ``zero_point``, and ``modules_to_not_convert``
        where some are listed; absent fields have the defaults of AWQ.
    :raises CheckpointMismatchError: another method than 4-bit AWQ with zero points in the ``gemm`` layout, or two
        declarations that differ.
    """
    read = [_checked(declared) for declared in _declared(config)]
    if any(other != read[0] for other in read[1:]):
        raise CheckpointMismatchError(f"config.json has two {QUANTISATION}, which differ.", "Download it again.")
    return read[0] if read else None


def _declared(config: Mapping[str, Any]) -> Iterator[Any]:
    sections = (config.get(name) for name in LANGUAGE_SECTIONS)
    for part in (config, *(section for section in sections if isinstance(section, Mapping))):
        if part.get(QUANTISATION):
            yield part[QUANTISATION]


def _method(declared: Any) -> str:
    if not isinstance(declared, Mapping):
        return "unknown"
    by_flag = "bitsandbytes" if any(declared.get(flag) for flag in _LOADING_FLAGS) else "unknown"
    return str(declared.get("quant_method") or by_flag).lower()


def _checked(declared: Any) -> dict[str, Any]:
    method = _method(declared)
    if method != AWQ:
        why = f"has no kernels for {method}" if method in _NO_KERNELS else "is used with 4-bit AWQ only"
        raise CheckpointMismatchError(
            f"config.json: the weights are quantised ({method}), and lmdeploy's PyTorch engine {why}.", _UNUSABLE
        )
    return _checked_awq(declared)


def _checked_awq(declared: Mapping[str, Any]) -> dict[str, Any]:
    bits, group = declared.get("bits", 4), declared.get("group_size", 128)
    version, zeros = str(declared.get("version") or "gemm").lower(), declared.get("zero_point", True)
    kept = declared.get("modules_to_not_convert") or []
    if bits != 4:
        raise _refused("bits", bits, "4, for which alone there are kernels")
    if group not in GROUP_SIZES:
        raise _refused("group_size", group, f"one of {', '.join(map(str, GROUP_SIZES))}")
    if version != "gemm":
        raise _refused("version", version, "gemm: the others pack numbers in another order")
    if zeros is not True:
        raise _refused("zero_point", zeros, "true: the kernels read zero points")
    if not isinstance(kept, list) or not all(isinstance(name, str) for name in kept):
        raise _refused("modules_to_not_convert", kept, "a list of names")
    told = {"quant_method": AWQ, "bits": bits, "group_size": group, "version": version, "zero_point": zeros}
    return {**told, "modules_to_not_convert": kept} if kept else told


def _refused(name: str, value: object, expected: str) -> CheckpointMismatchError:
    return CheckpointMismatchError(f"{QUANTISATION}: {name} is {value!r}, expected {expected}.", _UNUSABLE)
