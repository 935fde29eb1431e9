"""The hooks of the GLM-4V family: glm-4v-9b and what shares its architecture, in the official format."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from vlmplug.conversation import Conversation, MediaPart, PromptOptions
from vlmplug.errors import MediaError
from vlmplug.hooks import hookimpl
from vlmplug.media import Picture
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, ModelSource, TowerSpec
from vlmplug.parts.checkpoint import check_vocabulary, weights_dtype
from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug.parts.generation_config import read_generation_config
from vlmplug.parts.spans import SlotFormat, inject
from vlmplug.prompt import RenderedPrompt
from vlmplug.tiktoken_ranks import RankFile
from vlmplug.tokenizer import Tokenizer
from vlmplug_glm4v import config as official
from vlmplug_glm4v.chat import Chat
from vlmplug_glm4v.positions import position_ids

BEGIN, END, PLACEHOLDER = "<|begin_of_image|>", "<|end_of_image|>", "<|endoftext|>"
#: Tokens at which an answer ends (``eos_token_id`` of the official files), in that order.
STOPS = ("<|endoftext|>", "<|user|>", "<|observation|>")
#: ``tokenizer.model`` with the pattern of the official ``tokenization_chatglm.py``.
RANKS = RankFile(
    "tokenizer.model",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
)


@hookimpl
def load_model(source: ModelSource) -> FamilyModel:
    """Configuration and tokenizer of an official checkpoint."""
    config = official.checked(source.config)
    tokenizer = Tokenizer.from_ranks(source.folder, RANKS)
    generation = read_generation_config(source.folder)
    text = official.text_config(config)
    check_vocabulary(tokenizer, text["vocab_size"])
    stops = (*map(tokenizer.special_id, STOPS), *generation.eos_ids)
    return FamilyModel(
        model_type=source.model_type,
        family=source.family,
        folder=source.folder,
        tokenizer=tokenizer,
        text_config=text,
        tower=TowerSpec("vlmplug_glm4v.tower:build_tower", official.tower_config(config)),
        weight_route="vlmplug_glm4v.weights:route_weight",
        stop_ids=tuple(dict.fromkeys(stops)),
        placeholder_id=tokenizer.special_id(PLACEHOLDER),
        placeholder_edges=(tokenizer.special_id(BEGIN), tokenizer.special_id(END)),
        own_positions=True,
        answer_lead="\n",
        tool_use=True,
        context_length=text["max_position_embeddings"],
        dtype=weights_dtype(config),
        settings=official.settings(config),
        sampling=generation.sampling,
    )


@hookimpl
def render_prompt(model: FamilyModel, conversation: Conversation, options: PromptOptions) -> RenderedPrompt:
    """The official prompt; it parses no special tokens in texts, whatever ``options`` say."""
    return RenderedPrompt(tuple(Chat(model.tokenizer, options.placement).segments(conversation)))


@hookimpl
def preprocess_media(model: FamilyModel, batch: MediaBatch) -> tuple[MediaInput, ...]:
    """Each picture in the trained size; its proportions are not kept, and transparency is dropped."""
    settings: official.GLM4VSettings = model.settings
    return tuple(_prepared(batch.media[item.part], settings) for item in batch.items)


@hookimpl
def inject_vision_tokens(model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]) -> EngineInput:
    """Begin id, one placeholder a patch, end id; begin and end are vectors of the tower too."""
    slot = SlotFormat((), model.placeholder_id, (), model.placeholder_edges)
    found = inject(model.tokenizer, prompt, inputs, slot)
    return replace(found, position_ids=position_ids(len(found.input_ids), found.spans)) if found.spans else found


def _prepared(part: MediaPart, settings: official.GLM4VSettings) -> MediaInput:
    if not isinstance(part.source, Picture):
        raise MediaError("GLM-4V takes opened pictures only, no clips.", "Give frames of the clip as pictures.")
    size = (settings.image_size, settings.image_size)
    image = part.source.image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    return MediaInput(np.array(image)[None], settings.image_tokens, None, CLIP_MEAN, CLIP_STD)
