"""One request as lmdeploy's engine takes it, checked so that nothing in it can stop the engine for everybody."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import torch
from lmdeploy.messages import GenerationConfig
from lmdeploy.pytorch.multimodal.data_type import MultiModalData

from vlmplug.engine.json_schema import check_schema, response_format
from vlmplug.engine.positions import check_positions, identity, stored_positions
from vlmplug.errors import ContextLengthError, OptionError, RequestError
from vlmplug.model import EngineInput, FamilyModel, MediaInput, MediaSpan
from vlmplug.sampling import Sampling

_MODALITY = "image"


@dataclass(frozen=True)
class EngineRequest:
    """Ids and media of a prompt, and how to answer it."""

    input: EngineInput
    sampling: Sampling


def check_request(request: EngineRequest, model: FamilyModel, longest: int) -> None:
    """Refuses what the engine cannot answer.

    :param longest: tokens that prompt and answer may take together in this engine.
    :raises ContextLengthError: no room is left for an answer.
    :raises OptionError: stop ids or logprobs beyond the vocabulary, a schema that cannot guide an answer.
    :raises RequestError: ids outside the vocabulary, spans outside the prompt, position ids.
    """
    ids, vocabulary = request.input.input_ids, model.text_config["vocab_size"]
    if not ids:
        raise RequestError("The prompt has no tokens.", "Render it with the family's hooks.")
    if len(ids) >= longest:
        raise _too_long(len(ids), request.input.media_tokens, longest)
    if min(ids) < 0 or max(ids) >= vocabulary:
        raise RequestError(f"The prompt holds ids outside 0..{vocabulary - 1}.", "Check the plugin's inject hook.")
    _check_spans(request.input)
    check_positions(request.input, model.own_positions)
    _check_sampling(request.sampling, vocabulary)


def _too_long(tokens: int, media: int, longest: int) -> ContextLengthError:
    told = f" ({media} of them media)" if media else ""
    fewer = " give fewer or smaller pictures or clips," if media else ""
    return ContextLengthError(
        f"The prompt takes {tokens} tokens{told}, and prompt and answer may take {longest}.",
        f"Shorten the text or the history,{fewer} or allow a longer session, where the model does.",
    )


def _check_sampling(sampling: Sampling, vocabulary: int) -> None:
    if strangers := [number for number in sampling.stop_ids if not 0 <= number < vocabulary]:
        raise OptionError(f"stop_ids holds {strangers[0]}.", f"Give ids from 0 to {vocabulary - 1}.")
    if sampling.logprobs is not None and sampling.logprobs > vocabulary:
        raise OptionError(f"logprobs is {sampling.logprobs}.", f"The vocabulary has {vocabulary} entries.")
    if sampling.json_schema is not None:
        check_schema(sampling.json_schema)


def within_room(request: EngineRequest, vocabulary: int, longest: int) -> EngineRequest:
    """A checked request that asks for no more tokens than fit, and keeps no more candidates than there are.

    :param longest: tokens that prompt and answer may take together in this engine.
    """
    sampling = request.sampling
    room = longest - len(request.input.input_ids)
    top_k = sampling.top_k if sampling.top_k < vocabulary else 0  # lmdeploy's engine ends on more
    return replace(request, sampling=replace(sampling, max_new_tokens=min(sampling.max_new_tokens, room), top_k=top_k))


def _check_spans(prompt: EngineInput) -> None:
    end = 0
    for item, own in _spans_by_item(prompt):
        for span in own:
            if span.start < end or span.length < 1 or span.start + span.length > len(prompt.input_ids):
                raise _misfit(span)
            end = span.start + span.length
        if sum(span.length for span in own) != prompt.media[item].tokens:
            raise _misfit(own[0])


def _misfit(span: MediaSpan) -> RequestError:
    return RequestError(
        f"The span of media {span.item} ({span.start}, length {span.length}) does not fit the prompt.",
        "Check the plugin's inject hook.",
    )


def _spans_by_item(prompt: EngineInput) -> list[tuple[int, list[MediaSpan]]]:
    """The spans of each media item, which stand together."""
    return [(item, list(own)) for item, own in groupby(prompt.spans, lambda span: span.item)]


def hash_media(prompt: EngineInput) -> None:
    """Hashes the media in the caller's thread, once; megabytes of pixels would hold up the engine's loop."""
    for media in prompt.media:
        _ = media.content_hash


def multimodal_data(prompt: EngineInput) -> dict[str, list[MultiModalData]] | None:
    """lmdeploy's media items, one for each of ours; fresh objects, because it changes them in place.

    An item reaches from its first span to the end of its last one: lmdeploy never cuts it, nor what is in between.
    ``meta`` has what `vlmplug.engine.glue` reads: ``runs``, the spans counted from there, and the ``grid``.
    """
    if not prompt.spans:
        return None
    return {_MODALITY: [_item(prompt, prompt.media[item], own) for item, own in _spans_by_item(prompt)]}


def _item(prompt: EngineInput, media: MediaInput, spans: Sequence[MediaSpan]) -> MultiModalData:
    start, end = spans[0].start, spans[-1].start + spans[-1].length
    positions, usual = stored_positions(prompt, start, end), prompt.position_ids is None
    return MultiModalData(
        # a copy where a plugin's is read-only
        data=[torch.from_numpy(np.require(group, requirements=("C", "W"))) for group in media.groups],
        start=start,
        end=end,
        meta={"runs": tuple((span.start - start, span.length) for span in spans), "grid": media.grid},
        mrope_pos_ids=positions,
        content_hash=media.content_hash if usual else identity(media.content_hash, positions),
    )


def generation_config(sampling: Sampling, stop_ids: tuple[int, ...], seed: int | None) -> GenerationConfig:
    """lmdeploy's own sampling settings.

    Stop ids are left out where they shall be ignored: lmdeploy would otherwise ban them.
    """
    stop = [] if sampling.ignore_stop else sorted({*stop_ids, *sampling.stop_ids})
    return GenerationConfig(
        max_new_tokens=sampling.max_new_tokens,
        do_sample=not sampling.greedy,
        top_k=1 if sampling.greedy else sampling.top_k,
        top_p=sampling.top_p,
        temperature=1.0 if sampling.greedy else sampling.temperature,
        repetition_penalty=sampling.repetition_penalty,
        stop_token_ids=stop,
        random_seed=_seed(sampling, seed),
        logprobs=sampling.logprobs,
        response_format=None if sampling.json_schema is None else response_format(sampling.json_schema),
    )


def _seed(sampling: Sampling, seed: int | None) -> int:
    if sampling.seed is not None:
        return sampling.seed
    return seed if seed is not None else random.getrandbits(62)
