"""``engine_kwargs`` of ``get_lmdeploy_engine``: lmdeploy's engine settings, as those of this engine."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from vlmplug.compat.swift.refusal import refuse_changed, refuse_unknown, shown
from vlmplug.engine.options import Device, Dtype, EngineOptions, SchedulerOptions
from vlmplug.errors import OptionError
from vlmplug.number import check_whole, is_whole

_LOG = logging.getLogger(__name__)

#: lmdeploy's names, and where each goes.
_ENGINE = {"session_len": "session_length"}
_SCHEDULER = {
    "max_batch_size": "max_batch_size",
    "max_prefill_token_num": "max_prefill_tokens",
    "cache_block_seq_len": "block_size",
    "block_size": "block_size",
    "enable_prefix_caching": "prefix_caching",
    "num_gpu_blocks": "kv_blocks",
    "eager_mode": "eager",
}
#: What swift sets itself, from parameters of the same name.
_OWN = ("tp", "cache_max_entry_count", "quant_policy")
#: Finer settings of lmdeploy's TurboMind engine, which change speed only.
_SPEED = ("num_tokens_per_iter", "max_prefill_iters", "cache_chunk_size", "thread_safe", "num_cpu_blocks")
_MERGE = "Merge the adapters into the weights first."
_REFUSED = {
    "adapters": (None, _MERGE),
    "model_format": ("hf", "Leave it out: the checkpoint's own files say what it is."),
    "rope_scaling_factor": (0.0, "The checkpoint's config.json says how positions are scaled."),
    "use_logn_attn": (False, "The checkpoint's config.json says so where it applies."),
    "download_dir": (None, "Set HF_HUB_CACHE or MODELSCOPE_CACHE."),
    "revision": (None, "Give revision to get_lmdeploy_engine."),
}
_KNOWN = (*_ENGINE, *_SCHEDULER, *_OWN, *_SPEED, *_REFUSED, "dtype", "device_type")
#: TurboMind says "all of them" with 0.
_NONE_IF_ZERO = ("max_batch_size", "num_gpu_blocks", "session_len")


@dataclass(frozen=True)
class SwiftEngineSettings:
    """The parameters of ``get_lmdeploy_engine`` that shape the engine; names and meanings are swift's."""

    tp: int
    cache_max_entry_count: float
    quant_policy: int
    vision_batch_size: int
    engine_kwargs: Mapping[str, Any]

    def options(self, dtype: str = "auto") -> EngineOptions:
        """The same for this engine.

        :param dtype: where ``engine_kwargs`` give none.
        :raises OptionError: a name that lmdeploy does not have, or that has nothing to stand for here.
        :raises EngineOptionError: a value out of range.
        """
        given = self.engine_kwargs
        if not isinstance(given, Mapping):
            raise OptionError(f"engine_kwargs is a {type(given).__name__}.", "Give a dict.")
        refuse_unknown("engine_kwargs", given, _KNOWN)
        refuse_changed("engine_kwargs", given, _REFUSED)
        if idle := [name for name in given if name in _SPEED]:
            _LOG.warning("engine_kwargs: %s: no such settings here; answers are the same.", shown(idle))
        # Pictures that lmdeploy encodes at once; here tiles of all pictures go through the tower together.
        check_whole("vision_batch_size", self.vision_batch_size, 1)
        share, blocks = _cache(self.cache_max_entry_count)
        scheduler = {"kv_blocks": blocks, **_renamed(given, _SCHEDULER)}
        return EngineOptions(
            device=cast(Device, given.get("device_type") or "auto"),
            dtype=cast(Dtype, _dtype(given.get("dtype"), dtype)),
            tp=self.tp,
            cache_share=share,
            quant_policy=self.quant_policy,
            scheduler=SchedulerOptions(**{name: value for name, value in scheduler.items() if value is not None}),
            **_renamed(given, _ENGINE),
        )


def _renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    told = {name: given[name] for name in names if given.get(name) is not None}
    return {names[name]: value for name, value in told.items() if value or name not in _NONE_IF_ZERO}


def _cache(count: Any) -> tuple[float, int | None]:
    """Share of the memory, and number of blocks: lmdeploy takes a whole number for the latter."""
    if is_whole(count) and count >= 1:
        return EngineOptions().cache_share, count
    return count, None


def _dtype(given: Any, otherwise: str) -> str:
    """``torch.float16`` and ``"float16"`` are the same."""
    return otherwise if given is None else str(given).removeprefix("torch.")
