"""How ``infer`` shows answers, remarks, errors and pictures."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from vlmplug.cli.output import print_error, remark
from vlmplug.cli.render import prompt_text
from vlmplug.cli.terminal_picture import picture_codes, protocol_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PIL import Image

    from vlmplug.answer_stream import Deltas
    from vlmplug.dialogue.session import Session, Turn
    from vlmplug.errors import VlmplugError
    from vlmplug.pipeline import Prepared
    from vlmplug.sampling import Answer


class Screen:
    """Satisfies `vlmplug.dialogue.loop.Screen`: answers on the standard output, all else on the standard error."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._stream: bool = arguments.stream
        self._longest: int = arguments.max_new_tokens
        self._protocol = protocol_of(os.environ) if arguments.show_media and sys.stdout.isatty() else None
        if arguments.show_media and sys.stdout.isatty() and self._protocol is None:
            self.note("this terminal shows no pictures (kitty's and iTerm2's protocols are known)")

    def answer(self, deltas: Deltas) -> Answer | None:
        """Shows an answer as it comes, or when it is whole."""
        answer = None
        begun = False
        try:
            for delta in deltas:
                if self._stream and delta.text:
                    print(delta.text, end="", flush=True)
                    begun = True
                answer = delta.answer or answer
        finally:
            if begun or answer is not None:
                print("" if self._stream or answer is None else answer.text, flush=True)
        if answer is not None:
            self.remark_on(answer)
        return answer

    def remark_on(self, answer: Answer) -> None:
        """Tells when an answer was cut."""
        if answer.finish_reason == "length":
            self.note(f"stopped after --max-new-tokens {self._longest}")

    def say(self, text: str) -> None:
        """What somebody wanted to know."""
        print(text, flush=True)

    def note(self, text: str) -> None:
        """A remark."""
        remark(f"note: {text}")

    def error(self, error: VlmplugError) -> None:
        """What went wrong, and how to mend it."""
        print_error(error)

    def media(self, turn: Turn) -> None:
        """The pictures of a question."""
        self.show([*(part.source for part in turn.images), *(part.source for part in turn.videos)])

    def show(self, media: Iterable[object]) -> None:
        """Opened pictures, and the first frames of opened clips, in terminals that can, where that is wanted."""
        if self._protocol is None:
            return
        for one in media:
            if (image := _image(one)) is not None:
                print(picture_codes(image, self._protocol), flush=True)

    def prompt_of(self, session: Session, prepared: Prepared) -> str:
        """A prompt as text."""
        return prompt_text(session.preparer.model, prepared)


def _image(source: object) -> Image.Image | None:
    from vlmplug.media import Clip, Picture

    if isinstance(source, Picture):
        return source.image
    return source.read([0])[0] if isinstance(source, Clip) else None
