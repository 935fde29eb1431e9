"""Where an engine runs and in what precision, decided before anything is built."""

from __future__ import annotations

import torch

from vlmplug.engine.capability import BFLOAT16_CAPABILITY, LEAST_CAPABILITY, dotted
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import DeviceError, EngineOptionError


def choose_device(options: EngineOptions) -> str:
    """``cuda`` or ``cpu``.

    :raises DeviceError: the GPU asked for, or enough of them, is not there, or too old.
    :raises EngineOptionError: options that only a GPU can serve, on a CPU.
    """
    has_gpu = torch.cuda.is_available()
    device = options.device if options.device != "auto" else ("cuda" if has_gpu else "cpu")
    if device == "cpu":
        _check_cpu(options)
    else:
        _check_cuda(options, has_gpu)
    return device


def choose_dtype(options: EngineOptions, checkpoint: str, device: str) -> str:
    """``bfloat16``, ``float16`` or ``float32``: the caller's word, else what suits checkpoint and device."""
    if options.dtype != "auto":
        if options.dtype == "bfloat16" and device == "cuda" and not _knows_bfloat16():
            problem = f"This GPU has no bfloat16 (compute capability below {dotted(BFLOAT16_CAPABILITY)})."
            raise EngineOptionError(problem, "Use dtype float16.")
        return options.dtype
    if device == "cpu":
        return "float32"
    if checkpoint == "float32" or (checkpoint == "bfloat16" and not _knows_bfloat16()):
        return "float16" if not _knows_bfloat16() else "bfloat16"
    return checkpoint


def free_memory(device: str) -> int | None:
    """Bytes that can still be allocated on one device; None where it cannot be told."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    from vlmplug.engine.cpu.memory import available_memory

    return available_memory()


def keep_float32_exact(dtype: torch.dtype, device: torch.device) -> None:
    """Makes lmdeploy's Triton kernels multiply float32 as float32; their default rounds to 10 bits (TF32).

    Half precision is not affected. To be called in the process that runs the model, before its first kernel.
    """
    if device.type == "cuda" and dtype == torch.float32:
        import triton

        triton.knobs.language.fp32_default = "ieee"
        torch.backends.cudnn.allow_tf32 = False


def _check_cpu(options: EngineOptions) -> None:
    if options.quant_policy:
        raise EngineOptionError(
            f"quant_policy is {options.quant_policy} on a CPU, which has no quantised KV cache.",
            "Use 0, or device cuda.",
        )


def _check_cuda(options: EngineOptions, has_gpu: bool) -> None:
    if not has_gpu:
        raise DeviceError("No GPU is to be seen by PyTorch.", "Use device cpu, or install a driver and CUDA's PyTorch.")
    count = torch.cuda.device_count()
    if options.tp > count:
        raise DeviceError(f"tp is {options.tp}, but there are {count} GPUs.", f"Use tp {count} or less.")
    capability = torch.cuda.get_device_capability()
    if capability < LEAST_CAPABILITY:
        raise DeviceError(
            f"The GPU has compute capability {dotted(capability)}.",
            f"Use a GPU of {dotted(LEAST_CAPABILITY)} or newer, or device cpu.",
        )


def _knows_bfloat16() -> bool:
    return bool(torch.cuda.get_device_capability() >= BFLOAT16_CAPABILITY)
