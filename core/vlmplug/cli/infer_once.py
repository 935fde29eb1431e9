"""One question of ``infer``, answered as it is generated, or as one JSON document."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vlmplug.answer_stream import complete
from vlmplug.cli.flags import conversation_of, prompt_options_of
from vlmplug.cli.infer_drawing import Drawing
from vlmplug.cli.infer_models import FlagModels
from vlmplug.cli.infer_screen import Screen
from vlmplug.cli.output import print_json
from vlmplug.cli.turn_log import TurnLog
from vlmplug.pipeline import Request
from vlmplug.rows.answering import boxes_of

if TYPE_CHECKING:
    from vlmplug.conversation import Conversation
    from vlmplug.sampling import Answer


def answer_question(arguments: argparse.Namespace) -> int:
    """Asks it and shows the answer; returns the exit code.

    :raises VlmplugError: it cannot be answered; flags and files that make no sense are found before a model is loaded.
    """
    conversation, options = conversation_of(arguments), prompt_options_of(arguments)
    models, screen, log = FlagModels(arguments), Screen(arguments), TurnLog(arguments)
    preparer = models.prepare()
    request = Request(conversation, options, models.sampling(preparer))
    drawing = Drawing(arguments.draw, preparer, request) if arguments.draw else None
    preparer.check(request)
    with models.start(preparer) as pipeline:
        screen.show(part.source for part in conversation.media)
        if arguments.json:
            answer = pipeline.generate(request)
        else:
            with closing(pipeline.stream(request)) as deltas:
                answer = complete(screen.answer(deltas))
    if arguments.json:
        print_json(_record(arguments, preparer.model.model_type, answer))
        screen.remark_on(answer)
    if drawing is not None:
        screen.note(drawing.draw(answer))
    log.add(_named(conversation, arguments).messages, answer.text)
    return 0


def _named(conversation: Conversation, arguments: argparse.Namespace) -> Conversation:
    """With the files' names, as they were given."""
    names = iter([*arguments.image, *arguments.video])
    *system, question = conversation.messages
    parts = tuple(part if hasattr(part, "text") else replace(part, name=next(names)) for part in question.parts)
    return replace(conversation, messages=(*system, replace(question, parts=parts)))


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
        "boxes": boxes_of(answer),
    }
