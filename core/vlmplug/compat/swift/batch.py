"""``inference_lmdeploy``: the answers to many requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from vlmplug.compat.swift.call import UNDER_WAY, Call, Job, call_of
from vlmplug.compat.swift.engine import LmdeployEngine
from vlmplug.compat.swift.generation_config import LmdeployGenerationConfig
from vlmplug.compat.swift.generation_info import GenerationInfo
from vlmplug.compat.swift.progress import progress
from vlmplug.compat.swift.template import Template
from vlmplug.errors import OptionError, VlmplugError
from vlmplug.event_loop import gathered, run_apart
from vlmplug.number import check_whole
from vlmplug.pipeline import Prepared

_Finished: TypeAlias = Callable[[Job, dict[str, Any]], None]


def inference_lmdeploy(
    lmdeploy_engine: LmdeployEngine,
    template: Template,
    request_list: Sequence[Any],
    *,
    generation_config: LmdeployGenerationConfig | None = None,
    generation_info: dict[str, Any] | None = None,
    max_batch_size: int | None = None,
    use_tqdm: bool = False,
    verbose: bool = False,
    prompt_prefix: str = "[PROMPT]",
    output_prefix: str = "[OUTPUT]",
    **kwargs: Any,
) -> list[dict[str, Any]]:
    """The answers, in the order of the requests; works in a running event loop, too.

    As in swift a request that fails ends the call, and the error says which one it was. `LoadedModel.batch`
    (``engine.model.batch``) lets each fail alone.

    :param request_list: dicts with ``query``, and ``history``, ``system``, ``images``, ``videos``, ``objects``; or with
        ``messages``. They are neither changed nor copied.
    :param generation_config: None: ``lmdeploy_engine.generation_config``.
    :param generation_info: is emptied and filled with tokens and times.
    :param max_batch_size: requests that are under way together.
    :param use_tqdm: shows a progress bar. :param verbose: prints prompts and answers, behind the two prefixes.
    :param kwargs: ``truncation_strategy``: instead of the template's. ``lora_request``: without effect.
    :returns: for each a dict with ``response`` and ``history``, and ``logprobs`` where they were asked for.
    :raises RequestError: a request cannot be served. :raises OptionError: a parameter that cannot be had.
    :raises EngineError: the engine failed or was closed.
    """
    together = _checked_size(max_batch_size)
    if use_tqdm and verbose:
        raise OptionError("use_tqdm and verbose are both set.", "Choose one: they would write over each other.")
    call = call_of(lmdeploy_engine, template, request_list, generation_config, kwargs)
    if not request_list:
        return []
    info = GenerationInfo(generation_info)
    prompts: dict[int, str] = {}

    def prepared(index: int, found: Prepared) -> None:
        info.prompted(len(found.engine_input.input_ids))
        if verbose:
            prompts[index] = found.prompt.text()

    jobs = call.jobs(request_list, prepared)
    with progress(len(jobs), use_tqdm) as advance:

        def finished(job: Job, response: dict[str, Any]) -> None:
            advance()
            if verbose:
                print(f"{prompt_prefix}{prompts.get(job.index, '')}{output_prefix}{response['response']}")

        responses = run_apart(_answers(call, jobs, info, together, finished))
    info.update()
    return responses


async def _answers(
    call: Call, jobs: Sequence[Job], info: GenerationInfo, together: int, finished: _Finished
) -> list[dict[str, Any]]:
    """All responses; the first error cancels what is under way."""
    room = asyncio.Semaphore(together)

    async def answer(job: Job) -> dict[str, Any]:
        async with room:
            response = await _answered(call, job, info)
        finished(job, response)
        return response

    return await gathered(map(answer, jobs))


async def _answered(call: Call, job: Job, info: GenerationInfo) -> dict[str, Any]:
    try:
        answer = await call.engine.model.pipeline.agenerate(job.request)
    except VlmplugError as error:
        return call.excused(job, error)
    response = call.response(job)
    info.generated(response.take(answer))
    info.finished()
    return response.dict


def _checked_size(size: Any) -> int:
    return UNDER_WAY if size is None else check_whole("max_batch_size", size, 1)
