"""The flags of ``swift infer`` of ms-swift 2.x: which are taken, which do nothing here, and which cannot be followed.

Those that are taken are ordinary flags of ``vlmplug infer``. All others are read, so that a script still runs, and
answered with one line, unless their value asks for what happens anyway.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from vlmplug.errors import OptionError

Nargs = Literal["?", "*"]

_OFF = ("false", "0", "none", "")
_AUTO = ("auto",)


class Idle(NamedTuple):
    """A flag that changes nothing here. ``quiet``: values that go without a remark; ``why``: the remark."""

    why: str
    quiet: tuple[str, ...] = ()
    nargs: Nargs = "?"


class Refused(NamedTuple):
    """A flag that would change the outcome and cannot be followed.

    ``quiet``: values that ask for what happens anyway.
    """

    why: str
    fix: str
    quiet: tuple[str, ...] = _OFF
    nargs: Nargs = "?"


#: What the flags that are taken become here.
TAKEN: Mapping[str, str] = {
    "--model-type": "the same; also whatever `models resolve` takes",
    "--model-id-or-path": "a folder: `--model-dir`; a hub id: `--model`",
    "--model-revision": "`--revision`",
    "--ckpt-dir": "`--model-dir`, with complete weights",
    "--tp": "the same",
    "--cache-max-entry-count": "the same: share of the free memory for the KV cache",
    "--quant-policy": "the same",
    "--dtype": "the same, with `AUTO`, `bf16`, `fp16` and `fp32`",
    "--seed": "the same, but there is no default of 42",
    "--max-length": "tokens of prompt and answer together (swift: of the prompt); -1: as many as the model allows",
    "--truncation-strategy": "`delete`: what is too long is refused, in a file row by row; `truncation_left`: the "
    "beginning is cut off so that `--max-new-tokens` have room, and never through a picture",
    "--max-new-tokens": "the same; 1024 if it is not given (swift: 2048)",
    "--do-sample": "the same; not given: as the checkpoint wants it",
    "--temperature": "the same",
    "--top-k": "the same",
    "--top-p": "the same",
    "--repetition-penalty": "the same",
    "--stop-words": "the same, and they count",
    "--system": "the same",
    "--stream": "the same",
    "--val-dataset": "JSONL files",
    "--custom-val-dataset-path": "`--val-dataset`",
    "--val-dataset-sample": "the same: so many rows, drawn",
    "--show-dataset-sample": "`--val-dataset-sample`",
    "--dataset-seed": "the same: for what is drawn",
    "--result-dir": "the same; not given: `infer_result` in the working folder (swift: in the model's)",
    "--save-result": "the same; false: results go to the standard output",
    "--verbose": "shows questions and answers of a file",
}

_ALL_LMDEPLOY = "everything runs on lmdeploy's PyTorch engine"
_VLLM = "it is vLLM's; the engine here takes --tp and --cache-max-entry-count"
_TRAINING = "it is for training and export"
_LORA = "LoRA weights are not read"
_MERGE = "Merge them first (swift export --merge_lora true), and name the merged folder with --ckpt-dir."
_NO_BNB = "weights are not quantised while they are loaded"
_BNB_FIX = "Take an AWQ checkpoint, or --quant-policy 4 or 8 for the cache."
_NO_HUB_DATA = "data sets of hubs are not read"
_DATA_FIX = "Name JSONL files with --val-dataset."
_DEVICES = "the engine spreads the model over --tp GPUs; CUDA_VISIBLE_DEVICES says which"

IDLE: Mapping[str, Idle] = {
    "--infer-backend": Idle(_ALL_LMDEPLOY, ("lmdeploy", "auto")),
    "--vision-batch-size": Idle("pictures go through the vision tower together in any case"),
    "--template-type": Idle("the prompt is the official one of the model type", _AUTO),
    "--sft-type": Idle("what a folder holds decides", ("full",)),
    "--load-args-from-ckpt-dir": Idle("the files of the checkpoint decide", _OFF),
    "--use-flash-attn": Idle("the engine brings its own attention", (*_AUTO, "")),
    "--eval-human": Idle("without a question and without --val-dataset you are asked", ("true",)),
    "--ignore-args-error": Idle("an unknown flag is always an error", _OFF),
    "--local-repo-path": Idle("no code of others is needed"),
    "--overwrite-generation-config": Idle("a checkpoint is never written to", _OFF),
    "--merge-device-map": Idle(_LORA, ("cpu", *_AUTO)),
    "--save-safetensors": Idle(_TRAINING, ("true",)),
    "--safe-serialization": Idle(_TRAINING, ("true",)),
    "--device-map-config": Idle(_DEVICES),
    "--device-map-config-path": Idle(_DEVICES),
    "--device-max-memory": Idle(_DEVICES, nargs="*"),
    "--hub-token": Idle("tokens come from HF_TOKEN and MODELSCOPE_API_TOKEN, where no other user sees them"),
    "--model-cache-dir": Idle("HF_HUB_CACHE and MODELSCOPE_CACHE name the folders; --model-dir names one checkpoint"),
    "--check-dataset-strategy": Idle("each row is checked, and bad ones are set aside"),
    "--tools-prompt": Idle("there are no tools"),
    "--dataset-test-ratio": Idle("--val-dataset is answered whole; --val-dataset-sample takes a part of it"),
    "--train-dataset-sample": Idle(_TRAINING, ("-1",)),
    "--model-name": Idle(_TRAINING, nargs="*"),
    "--model-author": Idle(_TRAINING, nargs="*"),
    "--self-cognition-sample": Idle(_TRAINING, ("0",)),
    "--gpu-memory-utilization": Idle(_VLLM),
    "--tensor-parallel-size": Idle(_VLLM, ("1",)),
    "--max-num-seqs": Idle(_VLLM),
    "--max-model-len": Idle(_VLLM),
    "--disable-custom-all-reduce": Idle(_VLLM),
    "--enforce-eager": Idle(_VLLM),
    "--limit-mm-per-prompt": Idle(_VLLM),
    "--vllm-max-lora-rank": Idle(_VLLM),
    "--max-logprobs": Idle(_VLLM),
    "--bnb-4bit-comp-dtype": Idle(_NO_BNB, _AUTO),
    "--bnb-4bit-quant-type": Idle(_NO_BNB),
    "--bnb-4bit-use-double-quant": Idle(_NO_BNB),
    "--bnb-4bit-quant-storage": Idle(_NO_BNB),
    "--hqq-axis": Idle(_NO_BNB),
    "--hqq-dynamic-config-path": Idle(_NO_BNB),
}

REFUSED: Mapping[str, Refused] = {
    "--num-beams": Refused("the engine has no beam search", "Leave it out.", ("1",)),
    "--merge-lora": Refused(_LORA, _MERGE),
    "--merge-lora-and-save": Refused(_LORA, _MERGE),
    "--lora-modules": Refused(_LORA, _MERGE, (), "*"),
    "--vllm-lora-modules": Refused(_LORA, _MERGE, (), "*"),
    "--vllm-enable-lora": Refused(_LORA, _MERGE),
    "--quantization-bit": Refused(_NO_BNB, _BNB_FIX),
    "--quant-method": Refused(_NO_BNB, _BNB_FIX, ("awq",)),
    "--rope-scaling": Refused("positions are the checkpoint's own", "Leave it out."),
    "--custom-register-path": Refused("no file of code is run", "Write a plugin: docs/plugins.md.", ()),
    "--model-kwargs": Refused("settings of models are not passed on", "Use --media-option NAME=VALUE.", ("{}", "")),
    "--dataset": Refused(_NO_HUB_DATA, _DATA_FIX, (), "*"),
    "--custom-train-dataset-path": Refused(_NO_HUB_DATA, _DATA_FIX, (), "*"),
    "--custom-dataset-info": Refused(_NO_HUB_DATA, _DATA_FIX, ()),
    "--load-dataset-config": Refused(_NO_HUB_DATA, _DATA_FIX),
}


def add_swift_flags(parser: argparse.ArgumentParser) -> None:
    """Those flags that are not taken; the help does not show them."""
    flags: list[tuple[str, Idle | Refused]] = [*IDLE.items(), *REFUSED.items()]
    for flag, entry in flags:
        alone = "true" if entry.nargs == "?" else None
        parser.add_argument(flag, nargs=entry.nargs, const=alone, help=argparse.SUPPRESS)


def swift_remarks(arguments: argparse.Namespace) -> Iterator[str]:
    """A line for each flag that changes nothing here.

    :raises OptionError: a flag that cannot be followed.
    """
    for flag, refused in REFUSED.items():
        value = _value(arguments, flag)
        if value is not None and value.lower() not in refused.quiet:
            raise OptionError(f"{flag} {value}: {refused.why}.", refused.fix)
    for flag, idle in IDLE.items():
        value = _value(arguments, flag)
        if value is not None and value.lower() not in idle.quiet:
            yield f"{flag} changes nothing: {idle.why}"


def _value(arguments: argparse.Namespace, flag: str) -> str | None:
    """What was given, as one text; None: nothing."""
    given = getattr(arguments, flag[2:].replace("-", "_"))
    return " ".join(given) if isinstance(given, list) else given
