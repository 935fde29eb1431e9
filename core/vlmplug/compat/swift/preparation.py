"""``prepare_lmdeploy_engine_template``: engine and template from the arguments of ``swift infer``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from vlmplug.compat.swift.arguments import DTYPES, InferArguments
from vlmplug.compat.swift.engine import LmdeployEngine, get_lmdeploy_engine
from vlmplug.compat.swift.environment import named_options
from vlmplug.compat.swift.template import Template, get_template
from vlmplug.errors import OptionError

_GENERATION = ("temperature", "do_sample", "top_k", "top_p", "repetition_penalty")


def prepare_lmdeploy_engine_template(args: InferArguments) -> tuple[LmdeployEngine, Template]:
    """The engine, with ``generation_config`` and ``media_options`` as the arguments say, and its template.

    :raises VlmplugError: as `get_lmdeploy_engine` and `get_template`.
    """
    if not isinstance(args, InferArguments) or args.model_type is None:
        raise OptionError(f"args is a {type(args).__name__}.", "Give InferArguments(model_type='internvl2-2b').")
    dtype = DTYPES[args.dtype]
    engine = get_lmdeploy_engine(
        args.model_type,
        model_id_or_path=args.ckpt_dir or args.model_id_or_path,
        revision=args.model_revision,
        tp=args.tp,
        cache_max_entry_count=args.cache_max_entry_count,
        quant_policy=args.quant_policy,
        vision_batch_size=args.vision_batch_size,
        engine_kwargs=None if dtype == "auto" else {"dtype": dtype},
    )
    with ExitStack() as undo:  # an engine that nobody gets would hold its memory
        undo.callback(engine.close)
        _configure(engine, args)
        length = None if args.max_length == -1 else args.max_length
        tokenizer, strategy = engine.hf_tokenizer, args.truncation_strategy
        template = get_template(args.template_type, tokenizer, args.system, length, strategy, engine)
        undo.pop_all()
    return engine, template


def _configure(engine: LmdeployEngine, args: InferArguments) -> None:
    said: dict[str, Any] = {name: getattr(args, name) for name in _GENERATION if getattr(args, name) is not None}
    for name, value in {"max_new_tokens": args.max_new_tokens, "random_seed": args.seed, **said}.items():
        setattr(engine.generation_config, name, value)
    config = engine.generation_config
    config.stop_words = [*(config.stop_words or []), *args.stop_words]
    engine.media_options.update(named_options(args.media_settings, engine.model.media_options))
