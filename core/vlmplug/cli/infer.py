"""``vlmplug infer``: one question, answered as it is generated."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import (
    add_json_flag,
    add_request_flags,
    conversation_of,
    host_options_of,
    prompt_options_of,
    read_json_object,
    registry_of,
)
from vlmplug.cli.hub_flags import add_hub_flags, hub_options_of
from vlmplug.cli.model_choice import chosen_model
from vlmplug.cli.output import print_json, remark
from vlmplug.cli.parser import CommandParser

if TYPE_CHECKING:
    from vlmplug.pipeline import Pipeline, Request
    from vlmplug.sampling import Answer, Sampling, SamplingDefaults

_SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty")


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``infer``."""
    add_request_flags(parser)
    add_hub_flags(parser)
    parser.add_argument("--max-new-tokens", type=int, default=1024, metavar="N", help="longest answer (1024)")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 is greedy; default: the checkpoint's own")
    parser.add_argument("--top-p", type=float, metavar="P", help="nucleus mass; default: the checkpoint's own")
    parser.add_argument("--top-k", type=int, metavar="K", help="0 keeps all; default: the checkpoint's own")
    parser.add_argument("--repetition-penalty", type=float, metavar="R", help="default: the checkpoint's own")
    parser.add_argument("--seed", type=int, help="same seed, same answer")
    parser.add_argument("--json-schema", type=Path, metavar="FILE", help="the answer is JSON that fits this schema")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="where to run")
    parser.add_argument("--dtype", choices=("auto", "float32", "float16", "bfloat16"), default="auto")
    parser.add_argument("--tp", type=int, default=1, metavar="N", help="GPUs that share the language model")
    parser.set_defaults(run=_infer)
    add_json_flag(parser)


def _infer(arguments: argparse.Namespace) -> int:
    from vlmplug.engine.options import EngineOptions
    from vlmplug.pipeline import Pipeline, Request, open_preparer

    # Files and flags that make no sense are found before a model is loaded for them.
    conversation, options = conversation_of(arguments), prompt_options_of(arguments)
    schema = arguments.json_schema and read_json_object(arguments.json_schema, "--json-schema")
    sampling_of(arguments, None, schema)
    engine = EngineOptions(device=arguments.device, dtype=arguments.dtype, tp=arguments.tp)
    registry = registry_of(arguments)
    chosen = chosen_model(arguments, registry)
    hub = hub_options_of(arguments, chosen.reference)
    preparer = open_preparer(chosen.model_type, chosen.folder, registry, host_options_of(arguments), hub)
    request = Request(conversation, options, sampling_of(arguments, preparer.model.sampling, schema))
    preparer.check(request)
    with Pipeline(preparer, engine) as pipeline:
        answer = pipeline.generate(request) if arguments.json else _stream(pipeline, request)
    if arguments.json:
        print_json(_record(arguments, preparer.model.model_type, answer))
    if answer.finish_reason == "length":
        remark(f"note: stopped after --max-new-tokens {arguments.max_new_tokens}")
    return 0


def _stream(pipeline: Pipeline, request: Request) -> Answer:
    answer = None
    for delta in pipeline.stream(request):
        print(delta.text, end="", flush=True)
        answer = delta.answer or answer
    print()
    return _present(answer)


def _present(answer: Answer | None) -> Answer:
    from vlmplug.errors import EngineStoppedError

    if answer is None:
        raise EngineStoppedError("The engine ended without an answer.", "Ask again.")
    return answer


def sampling_of(arguments: argparse.Namespace, defaults: SamplingDefaults | None, schema: Any) -> Sampling:
    """What the flags say, and where they say nothing, what the checkpoint says."""
    from dataclasses import replace

    from vlmplug.sampling import SamplingDefaults

    own = (defaults or SamplingDefaults()).sampling
    given = {name: getattr(arguments, name) for name in _SAMPLING if getattr(arguments, name) is not None}
    return replace(
        own, max_new_tokens=arguments.max_new_tokens, seed=arguments.seed, json_schema=schema or None, **given
    )


def _record(arguments: argparse.Namespace, model_type: str, answer: Answer) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "question": arguments.question,
        "system": arguments.system,
        "images": arguments.image,
        "videos": arguments.video,
        "text": answer.text,
        "token_ids": list(answer.token_ids),
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "media_tokens": answer.media_tokens,
        "cached_tokens": answer.cached_tokens,
        "generated_tokens": answer.generated_tokens,
        "seconds": {
            "prepare": answer.timings.prepare,
            "first_token": answer.timings.first_token,
            "total": answer.timings.total,
        },
        "tokens_per_second": answer.tokens_per_second,
    }
