"""Mends faults of lmdeploy 0.18 that give wrong answers, on every device.

1. A request without new tokens (``max_new_tokens=0``: prompt logits) leaves its row in the state of the decoding batch
   while the scheduler leaves it out: later requests are stopped by its criterion.
2. Logits that are returned share memory with those that sampling changes in place: they come back divided by the
   temperature and with banned tokens at minus infinity.
3. Logits of a prompt that was prefilled in chunks are kept as 16-bit words; a 32-bit dtype does not come back.
4. The embedding of the padding token is set to zero on loading; where padding is a token like any other
   (``</s>`` in InternLM2) the model reads something else than it was trained with.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from vlmplug.engine.compatibility import Installation, Needed

_AGENT = "lmdeploy.pytorch.engine.model_agent.agent"

NEEDED = (
    Needed(_AGENT, "BaseModelAgent._async_step", ("inputs",)),
    Needed(_AGENT, "BaseModelAgent._is_prefill_input_logprobs", ("inputs",)),
    Needed(_AGENT, "BaseModelAgent._step_postprocess_with_output", ("last_logits", "return_logits")),
    Needed(_AGENT, "BaseModelAgent.set_forward_inputs", ("inputs",)),
    Needed("lmdeploy.pytorch.messages", "HistoryLogits.get_logits"),
    Needed("lmdeploy.pytorch.messages", "HistoryLogits.get_real"),
    Needed("lmdeploy.pytorch.model_inputs", "ModelInputsDelta", ("indices", "indice_cpu", "block_offsets")),
    Needed("lmdeploy.pytorch.nn.embedding", "ParallelEmbedding.weight_loader", ("param", "loaded_weight")),
    Needed("lmdeploy.pytorch.strategies.ar.step_inputs", "ARStepInputs.reindex", ("delta",)),
)
"""All of lmdeploy that these repairs rely on."""

_ROWS = "generating_rows"


def _install() -> None:
    from lmdeploy.pytorch.engine.model_agent.agent import BaseModelAgent
    from lmdeploy.pytorch.messages import HistoryLogits
    from lmdeploy.pytorch.nn.embedding import ParallelEmbedding

    BaseModelAgent.set_forward_inputs = _naming_generating_rows(BaseModelAgent.set_forward_inputs)
    BaseModelAgent._async_step = _dropping_other_rows(BaseModelAgent._async_step)
    BaseModelAgent._step_postprocess_with_output = _keeping_returned_logits(
        BaseModelAgent._step_postprocess_with_output
    )
    HistoryLogits.get_logits = _logits_of_any_dtype
    ParallelEmbedding.weight_loader = _keeping_every_row(ParallelEmbedding.weight_loader)


def _naming_generating_rows(theirs: Callable[..., None]) -> Callable[..., None]:
    """Note which rows of a prefill will generate, while their criteria are still in main memory."""

    @wraps(theirs)
    def set_forward_inputs(self: Any, inputs: dict[str, Any]) -> None:
        remaining = getattr(inputs.get("stopping_criteria"), "num_appendable_ids", None)
        if remaining is not None:
            rows = [row for row, count in enumerate(remaining.tolist()) if count > 0]
            if len(rows) < len(remaining):
                inputs = {**inputs, _ROWS: rows}
        theirs(self, inputs)

    return set_forward_inputs


def _dropping_other_rows(theirs: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(theirs)
    async def _async_step(self: Any, inputs: Any, generating_rows: list[int] | None = None, **others: Any) -> None:
        await theirs(self, inputs=inputs, **others)
        if generating_rows is not None and _joins_decoding(self, inputs):
            _keep_rows(self, len(inputs.seq_length), generating_rows)

    return _async_step


def _joins_decoding(agent: Any, inputs: Any) -> bool:
    """Has lmdeploy merged this prefill into the decoding batch? Not while chunks follow, nor when it only scores."""
    more_chunks = inputs.is_chunk and not inputs.is_last_chunk
    return not more_chunks and not agent._is_prefill_input_logprobs(inputs)


def _keep_rows(agent: Any, merged: int, generating_rows: list[int]) -> None:
    """Drop from the decoding batch those of its last ``merged`` rows that generate nothing."""
    from lmdeploy.pytorch.model_inputs import ModelInputsDelta

    lengths = agent.step_inputs.model_inputs.seq_length
    first = len(lengths) - merged
    kept = torch.tensor([*range(first), *(first + row for row in generating_rows)], dtype=torch.long)
    if not len(kept):
        agent.step_inputs = agent.strategy_factory.build_step_inputs()
        return
    # lengths of 0 leave lmdeploy's own, which the next decoding step replaces anyway
    delta = ModelInputsDelta(
        indices=kept.to(lengths.device, non_blocking=True),
        indice_cpu=kept.numpy(),
        block_offsets=None,
        max_q_seqlen=0,
        max_kv_seqlen=0,
        sum_kv_seqlen=0,
    )
    agent.step_inputs.reindex(delta)


def _keeping_returned_logits(theirs: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(theirs)
    async def _step_postprocess_with_output(
        self: Any, last_logits: torch.Tensor, *others: Any, return_logits: bool = False, **named: Any
    ) -> Any:
        sampled_from = last_logits.clone() if return_logits else last_logits
        return await theirs(self, sampled_from, *others, return_logits=return_logits, **named)

    return _step_postprocess_with_output


def _logits_of_any_dtype(self: Any) -> torch.Tensor | None:
    """Logits kept so far, ``[tokens, vocabulary]``; a copy, because the buffer is used again."""
    if self._data is None or self._torch_dtype is None:
        return None
    words = torch.from_numpy(self.get_real())
    return words.view(self._torch_dtype).clone()


def _keeping_every_row(theirs: Callable[..., None]) -> Callable[..., None]:
    @wraps(theirs)
    def weight_loader(self: Any, param: torch.nn.Parameter, loaded_weight: torch.Tensor) -> None:
        padding, self.padding_idx = self.padding_idx, None
        try:
            theirs(self, param, loaded_weight)
        finally:
            self.padding_idx = padding

    return weight_loader


#: Mends lmdeploy in this process; later calls do nothing. Worker processes need a call of their own.
install = Installation(NEEDED, _install)
