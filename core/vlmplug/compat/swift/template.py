"""Templates: prompt formats by name. Prompts themselves are made by the hooks of each family."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias, get_args

from vlmplug.compat.swift.catalogue import CATALOGUE
from vlmplug.compat.swift.refusal import refuse_changed, refuse_unknown
from vlmplug.compat.swift.template_types import OWN, template_type_of, template_types
from vlmplug.compat.swift.tokenizer import HfTokenizer
from vlmplug.conversation import Conversation, assistant_message, system_message, user_message
from vlmplug.errors import OptionError
from vlmplug.nearest import did_you_mean
from vlmplug.number import is_whole
from vlmplug.pipeline import Request

TruncationStrategy = Literal["delete", "truncation_left"]
#: A piece of a template: text, or ids and names of token roles (``eos_token_id``).
Piece: TypeAlias = "str | Sequence[int | str]"
Pieces: TypeAlias = "Sequence[Piece] | None"

STRATEGIES: tuple[TruncationStrategy, ...] = get_args(TruncationStrategy)

#: What swift's own callers pass for training or for its text prompts of tools.
_WITHOUT_MEANING = ("tools_prompt", "padding_side", "loss_scale", "sequence_parallel_size", "streaming", "is_training")
_REFUSED = {
    "rescale_image": (-1, "Give the family's own media options: engine.media_options."),
    "use_bnb": (False, "Load a checkpoint that is quantised already."),
}
_FORMAT_FIX = (
    "Prompts are the official ones of each family: leave the template to get_template, which takes a default_system; "
    "for another format write a plugin (docs/plugins.md)."
)


class Template:
    """A prompt format, and what holds for all requests that it is used for.

    Parameters are swift's. Made by hand it is for `register_template`; for inference `get_template` makes it.

    - ``template_type``: its name. ``tokenizer``: of its model. ``model``: as it was given.
    - ``default_system``: system prompt of requests that bring none; None: the family's own.
    - ``max_length``: ids of a prompt at the most, media counted; None: as many as the engine takes.
    - ``truncation_strategy``: what becomes of longer ones: ``delete`` answers with an empty text, ``truncation_left``
      cuts their beginning off.
    - ``parse_special_tokens``: read special tokens out of the texts; without it text is text.
    """

    def __init__(
        self,
        prefix: Pieces,
        prompt: Pieces,
        chat_sep: Pieces,
        suffix: Pieces,
        default_system: str | None = None,
        system_prefix: Pieces = None,
        auto_add_bos: bool = False,
        tools_prompt: str = "react_en",
        tool_prompt: Pieces = None,
        padding_side: Literal["left", "right"] = "right",
    ) -> None:
        self.prefix, self.prompt, self.chat_sep, self.suffix = prefix, prompt, chat_sep, suffix
        self.system_prefix, self.tool_prompt = system_prefix, tool_prompt
        self.auto_add_bos, self.tools_prompt, self.padding_side = auto_add_bos, tools_prompt, padding_side
        self.default_system = default_system
        self.template_type = ""
        self.tokenizer: HfTokenizer | None = None
        self.model: Any = None
        self.max_length: int | None = None
        self.truncation_strategy: TruncationStrategy = "delete"
        self.parse_special_tokens = False


def get_template(
    template_type: str,
    tokenizer: HfTokenizer,
    default_system: str | None = None,
    max_length: int | None = None,
    truncation_strategy: TruncationStrategy = "delete",
    model: Any = None,
    **kwargs: Any,
) -> Template:
    """The template of that name for an engine's tokenizer; see `Template`.

    :param template_type: the model's own (``get_default_template_type``, ``"AUTO"``), or one that was registered.
    :param kwargs: swift's names for training and for tools, which change nothing here.
    :raises OptionError: there is no such template type, it is not the model's, or it is none that can be had here;
        another parameter that cannot be had.
    """
    refuse_unknown("get_template", kwargs, (*_WITHOUT_MEANING, *_REFUSED))
    refuse_changed("get_template", kwargs, _REFUSED)
    if not isinstance(tokenizer, HfTokenizer):
        raise OptionError(f"The tokenizer is a {type(tokenizer).__name__}.", "Give engine.hf_tokenizer.")
    _check_length(max_length)
    check_strategy(truncation_strategy)
    found = _found(template_type, tokenizer)
    found.template_type, found.tokenizer, found.model = template_type, tokenizer, model
    found.default_system = found.default_system if default_system is None else default_system
    found.max_length, found.truncation_strategy = max_length, truncation_strategy
    return found


def check_strategy(strategy: object) -> TruncationStrategy:
    """A truncation strategy.

    :raises OptionError: it is none.
    """
    for known in STRATEGIES:
        if strategy == known:
            return known
    raise OptionError(f"truncation_strategy is {strategy!r}.", f"Use one of {', '.join(STRATEGIES)}.")


def _check_length(value: Any) -> None:
    if value is not None and (not is_whole(value) or value < 1):
        raise OptionError(f"max_length is {value!r}.", "Give a whole number of at least 1, or None.")


def _found(template_type: str, tokenizer: HfTokenizer) -> Template:
    registered = CATALOGUE.templates.get(template_type)
    if registered is not None:
        _check_official(template_type, registered, tokenizer)
        return copy.copy(registered)
    registry = CATALOGUE.registry()
    own = template_type_of(registry, registry.model_type(tokenizer.model_type))
    if template_type not in (own, *OWN):
        known = template_types(registry)
        what = "is not the one of" if template_type in known else "is none, and not the one of"
        remedy = f"Give {own!r}." if template_type in known else did_you_mean(str(template_type), known)
        raise OptionError(f"Template type {template_type!r} {what} {tokenizer.model_type} ({own!r}).", remedy)
    return Template(None, None, None, None)


def _check_official(template_type: str, template: Template, tokenizer: HfTokenizer) -> None:
    """Refuses a template whose prompt is not the official one: it would be another model's.

    :raises OptionError: showing both.
    """
    system = None if template.default_system is None else "SYSTEM"
    messages = [user_message("FIRST"), assistant_message("ANSWER"), user_message("SECOND")]
    lead = [] if system is None else [system_message(system)]
    prepared = tokenizer.preparer.prepare(Request(Conversation((*lead, *messages))))
    official = tokenizer.decode(prepared.engine_input.input_ids)
    said = "".join(_rendered(template, tokenizer, system, [("FIRST", "ANSWER"), ("SECOND", "")]))
    if said != official:
        raise OptionError(
            f"Template {template_type!r} gives the prompt {said!r}, where {tokenizer.model_type} has {official!r}.",
            _FORMAT_FIX,
        )


def _rendered(
    template: Template, tokenizer: HfTokenizer, system: str | None, rounds: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """The text of a dialogue in a template, as swift puts it together."""
    if template.auto_add_bos:
        yield tokenizer.decode(tokenizer.preparer.model.tokenizer.bos_ids)
    begin = template.prefix if system is None else template.system_prefix or template.prefix
    yield _text(begin, tokenizer).replace("{{SYSTEM}}", system or "")
    for number, (query, response) in enumerate(rounds):
        prompt = _text(template.prompt, tokenizer)
        yield (
            prompt.replace("{{QUERY}}", query).replace("{{ROUND0}}", str(number)).replace("{{ROUND1}}", str(number + 1))
        )
        if number < len(rounds) - 1:
            yield response + _text(template.chat_sep, tokenizer)


def _text(pieces: Pieces, tokenizer: HfTokenizer) -> str:
    return "".join(_piece(piece, tokenizer) for piece in pieces or ())


def _piece(piece: Piece, tokenizer: HfTokenizer) -> str:
    if isinstance(piece, str):
        return piece
    ids = [getattr(tokenizer, part, None) if isinstance(part, str) else part for part in piece]
    if (unknown := next((part for part, id_ in zip(piece, ids, strict=True) if id_ is None), None)) is not None:
        raise OptionError(f"The tokenizer has no {unknown!r}.", "Use eos_token_id or bos_token_id, or ids.")
    return tokenizer.decode([id_ for id_ in ids if id_ is not None])
