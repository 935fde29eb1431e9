"""Flags of ``infer`` about answering, and what they stand for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmplug.cli.flags import QUESTION, add_json_flag, add_request_flags, read_json_object
from vlmplug.cli.hub_flags import add_hub_flags
from vlmplug.cli.model_choice import is_folder
from vlmplug.cli.swift_flags import add_swift_flags
from vlmplug.errors import OptionError

if TYPE_CHECKING:
    from vlmplug.engine.options import EngineOptions
    from vlmplug.sampling import Sampling, SamplingDefaults

_SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty")
_DTYPES = {"auto": "auto", "bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
#: What becomes of prompts that are too long, in ms-swift's words.
DELETE, TRUNCATION_LEFT = "delete", "truncation_left"
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def add_infer_flags(parser: argparse.ArgumentParser) -> None:
    """All flags of ``infer``."""
    parser.add_argument("question", nargs="?", help=f"{QUESTION}; left out: you are asked for one after the other")
    add_request_flags(parser)
    add_hub_flags(parser)
    _add_model_flags(parser)
    _add_sampling_flags(parser.add_argument_group("sampling"))
    _add_engine_flags(parser.add_argument_group("engine"))
    _add_file_flags(parser.add_argument_group("files of questions"))
    _add_screen_flags(parser.add_argument_group("output"))
    add_swift_flags(parser)
    add_json_flag(parser)


def _add_model_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model-id-or-path", metavar="MODEL", help="swift's name of --model and --model-dir")
    parser.add_argument("--ckpt-dir", type=Path, metavar="DIR", help="swift's name of --model-dir")
    parser.add_argument("--model-revision", metavar="REV", help="swift's name of --revision")


def _add_sampling_flags(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument("--max-new-tokens", type=int, default=1024, metavar="N", help="longest answer (1024)")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 is greedy; default: the checkpoint's own")
    parser.add_argument("--top-p", type=float, metavar="P", help="nucleus mass; default: the checkpoint's own")
    parser.add_argument("--top-k", type=int, metavar="K", help="0 keeps all; default: the checkpoint's own")
    parser.add_argument("--repetition-penalty", type=float, metavar="R", help="default: the checkpoint's own")
    parser.add_argument("--do-sample", **_truth, help="false: greedy; default: the checkpoint's own")
    parser.add_argument(
        "--stop-words", nargs="+", action="extend", default=[], metavar="WORD", help="end an answer (all up to a flag)"
    )
    parser.add_argument("--seed", type=int, help="same seed, same answer")
    parser.add_argument("--json-schema", type=Path, metavar="FILE", help="the answer is JSON that fits this schema")


def _add_engine_flags(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="where to run")
    dtypes = ("auto", "float32", "float16", "bfloat16")
    parser.add_argument("--dtype", type=_dtype, choices=dtypes, default="auto", help="of the weights")
    parser.add_argument("--tp", type=int, default=1, metavar="N", help="GPUs that share the language model")
    parser.add_argument(
        "--cache-max-entry-count", type=float, default=0.8, metavar="SHARE", help="free memory for the KV cache (0.8)"
    )
    parser.add_argument("--quant-policy", type=int, choices=(0, 4, 8), default=0, help="bits of the KV cache; 0: all")
    parser.add_argument(
        "--max-length", type=int, default=-1, metavar="N", help="tokens of prompt and answer; -1: what the model allows"
    )
    parser.add_argument(
        "--truncation-strategy",
        choices=(DELETE, TRUNCATION_LEFT),
        default=DELETE,
        help="a prompt that is too long: it is refused, or loses its beginning to make room for --max-new-tokens",
    )


def _add_file_flags(parser: argparse._ArgumentGroup) -> None:
    files: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "type": Path, "metavar": "FILE"}
    parser.add_argument("--val-dataset", "--input", **files, help="answer the rows of JSONL files (repeatable)")
    parser.add_argument(
        "--custom-val-dataset-path", dest="val_dataset", **files, help="swift's older name of --val-dataset"
    )
    parser.add_argument("--result-dir", type=Path, metavar="DIR", help="folder of the results (infer_result)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="file of the results")
    parser.add_argument("--save-result", **_truth, default=True, help="false: results go to the standard output")
    parser.add_argument(
        "--val-dataset-sample",
        "--show-dataset-sample",
        type=int,
        default=-1,
        metavar="N",
        help="answer N rows, drawn; -1: all",
    )
    parser.add_argument("--dataset-seed", type=int, default=42, metavar="N", help="for what is drawn (42)")


def _add_screen_flags(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument("--stream", **_truth, default=True, help="false: show an answer when it is whole")
    parser.add_argument("--show-media", action="store_true", help="show pictures in terminals that can")
    parser.add_argument(
        "--draw", type=Path, metavar="FILE", help="write the last picture with the places that the answer names"
    )
    parser.add_argument("--verbose", **_truth, default=False, help="show questions and answers of a file")


def sampling_of(arguments: argparse.Namespace, defaults: SamplingDefaults | None, schema: Any) -> Sampling:
    """What the flags say, and where they say nothing, what the checkpoint says."""
    from dataclasses import replace

    from vlmplug.sampling import SamplingDefaults

    own = defaults or SamplingDefaults()
    if arguments.do_sample is not None:
        own = replace(own, do_sample=arguments.do_sample)
    given = {name: getattr(arguments, name) for name in _SAMPLING if getattr(arguments, name) is not None}
    if arguments.do_sample is False:
        given["temperature"] = 0.0
    return replace(
        own.sampling,
        max_new_tokens=arguments.max_new_tokens,
        seed=arguments.seed,
        stop_words=tuple(arguments.stop_words),
        json_schema=schema or None,
        **given,
    )


def schema_of(arguments: argparse.Namespace) -> Any:
    """The JSON schema of the answers, if there is one.

    :raises OptionError: its file cannot be read or is no JSON object.
    """
    return arguments.json_schema and read_json_object(arguments.json_schema, "--json-schema")


def engine_options_of(arguments: argparse.Namespace) -> EngineOptions:
    """Where and how the engine runs.

    :raises EngineOptionError: flags that do not fit together.
    """
    from vlmplug.engine.options import EngineOptions

    return EngineOptions(
        device=arguments.device,
        dtype=arguments.dtype,
        tp=arguments.tp,
        session_length=None if arguments.max_length == -1 else arguments.max_length,
        cache_share=arguments.cache_max_entry_count,
        quant_policy=arguments.quant_policy,
    )


def settle_model_flags(arguments: argparse.Namespace) -> None:
    """Puts swift's names of a model's place into ``model``, ``model_dir`` and ``revision``.

    :raises OptionError: two flags name two places, or a folder holds LoRA weights alone.
    """
    places = {"--model-dir": arguments.model_dir, "--ckpt-dir": arguments.ckpt_dir}
    named: str | None = arguments.model_id_or_path
    if named is not None and is_folder(named):
        places["--model-id-or-path"] = Path(named).expanduser()
        named = None
    given = {flag: place for flag, place in places.items() if place is not None}
    if len(given) + (named is not None) > 1:
        both = [*given, *(["--model-id-or-path"] if named else [])]
        raise OptionError(f"{' and '.join(both)} name two places.", "Keep one.")
    arguments.model_dir = next(iter(given.values()), None)
    arguments.revision = arguments.revision or arguments.model_revision
    if named is not None and arguments.model is not None:
        raise OptionError("--model-id-or-path and --model both name a model.", "Leave one of them out.")
    arguments.model = named or arguments.model
    if arguments.model_dir is not None and (arguments.model_dir / "adapter_config.json").is_file():
        raise OptionError(
            f"{arguments.model_dir} holds LoRA weights.", "Merge them first: swift export --merge_lora true."
        )


def _truth_of(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() in _TRUE


#: ``--flag``, ``--flag true``, ``--flag false``.
_truth: dict[str, Any] = {"nargs": "?", "const": True, "type": _truth_of, "metavar": "true|false"}


def _dtype(text: str) -> str:
    return _DTYPES.get(text.lower(), text)
