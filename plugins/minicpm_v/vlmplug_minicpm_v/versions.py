"""The versions of the family: their prompts, their tags around slices, their language models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vlmplug.errors import CheckpointMismatchError
from vlmplug.parts.chat import ChatFormat, Envelope
from vlmplug.prompt import Special, Text

SYSTEM_2_6 = "You are a helpful assistant."


@dataclass(frozen=True)
class SliceTags:
    """What stands around the embeddings of slices; an empty pair: nothing.

    - ``whole``, ``cell``: around the whole picture, and around each cell. ``cells``: around all cells together.
    - ``number``: around the number of a picture in the conversation.
    """

    whole: tuple[str, ...]
    cell: tuple[str, ...]
    cells: tuple[str, ...] = ()
    number: tuple[str, ...] = ()


@dataclass(frozen=True)
class Version:
    """One version.

    - ``name``: as ``config.json`` says it. ``template``: what its model type calls the prompt.
    - ``opening``: role of the token that the official chat template itself puts in front of the prompt; empty: none.
    - ``trims``: whether the template takes white space away from both ends of every message.
    - ``stop_tokens``: end an answer, whatever ``generation_config.json`` says.
    - ``language``: architecture and type of the language model. ``positions``: see `POSITION_RULES` of the tower.
    """

    name: str
    template: str
    chat: ChatFormat
    opening: str
    trims: bool
    stop_tokens: tuple[str, ...]
    tags: SliceTags
    language: tuple[str, str]
    positions: Literal["flat", "grid"]


def _llama3(role: str) -> Envelope:
    header = (Special("<|start_header_id|>"), Text(role), Special("<|end_header_id|>"), Text("\n\n"))
    return Envelope(header, (Special("<|eot_id|>"),))


def _chatml(role: str) -> Envelope:
    return Envelope((Special("<|im_start|>"), Text(f"{role}\n")), (Special("<|im_end|>"), Text("\n")))


_IMAGE, _SLICE = ("<image>", "</image>"), ("<slice>", "</slice>")
V2_5 = Version(
    name="2.5",
    template="minicpm-v-v2_5",
    chat=ChatFormat(_llama3("system"), _llama3("user"), _llama3("assistant")),
    opening="bos_token",
    trims=True,
    stop_tokens=("<|end_of_text|>", "<|eot_id|>"),
    tags=SliceTags(_IMAGE, _IMAGE, cells=_SLICE),
    language=("LlamaForCausalLM", "llama"),
    positions="flat",
)
V2_6 = Version(
    name="2.6",
    template="minicpm-v-v2_6",
    chat=ChatFormat(_chatml("system"), _chatml("user"), _chatml("assistant"), SYSTEM_2_6),
    opening="",
    trims=False,
    stop_tokens=("<|im_end|>", "<|endoftext|>"),
    tags=SliceTags(_IMAGE, _SLICE, number=("<image_id>", "</image_id>")),
    language=("Qwen2ForCausalLM", "qwen2"),
    positions="grid",
)
VERSIONS: Mapping[str, Version] = {version.name: version for version in (V2_5, V2_6)}
#: Hidden size and queries of MiniCPM-V 2.0, which says no version, as the first revisions of 2.5 do.
_V2_0 = (2304, 64)


def version_of(config: Mapping[str, Any], of_model_type: str) -> Version:
    """The version of a checkpoint.

    :param config: official ``config.json``; its ``version`` is a text or a number, or is missing.
    :param of_model_type: the template of the model type.
    :raises CheckpointMismatchError: a version that this family does not have, or another one than the model type's.
    """
    said = config.get("version")
    if said is None:
        name = "2.0" if (config.get("hidden_size"), config.get("query_num")) == _V2_0 else V2_5.name
    else:
        name = str(said)
    if name not in VERSIONS:
        raise CheckpointMismatchError(
            f"config.json is that of MiniCPM-V {name}, which is not supported.", f"Supported: {', '.join(VERSIONS)}."
        )
    version = VERSIONS[name]
    if version.template != of_model_type:
        raise CheckpointMismatchError(
            f"config.json is that of MiniCPM-V {name}, the model type's template {of_model_type}.",
            f"Take the model type {version.template}-chat.",
        )
    return version
