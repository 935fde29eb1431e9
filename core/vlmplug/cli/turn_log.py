"""The file to which ``infer`` adds each question with its answer, as ms-swift 2.x does."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmplug.cli.output_file import check_folder
from vlmplug.errors import OptionError

if TYPE_CHECKING:
    from vlmplug.conversation import Message


class TurnLog:
    """Adds a row a turn to ``--output``, or to a new file in ``--result-dir``; without either it does nothing.

    :raises OptionError: there is no folder for ``--output``. That of ``--result-dir`` is made.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._file: Path | None = None
        if arguments.save_result and (arguments.output or arguments.result_dir):
            if arguments.output:
                check_folder(arguments.output, "--output")
            self._file = arguments.output or arguments.result_dir / time.strftime("%Y%m%d-%H%M%S.jsonl")

    def add(self, messages: Sequence[Message], response: str) -> None:
        """The turns up to the question, and the answer.

        :raises OptionError: the file cannot be written.
        """
        if self._file is None:
            return
        line = json.dumps(_row(messages, response), ensure_ascii=False) + "\n"
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(line)
        except OSError as error:
            raise OptionError(f"{self._file} cannot be written: {error.strerror}.", "Choose another place.") from error


def _row(messages: Sequence[Message], response: str) -> dict[str, Any]:
    from vlmplug.conversation import ImagePart, VideoPart
    from vlmplug.dialogue.transcript import names_of

    *earlier, question = [message for message in messages if message.role != "system"]
    pairs = zip(earlier[::2], earlier[1::2], strict=True)
    return {
        "system": messages[0].text if messages[0].role == "system" else None,
        "query": question.text,
        "response": response,
        "history": [[asked.text, said.text] for asked, said in pairs],
        "images": names_of(messages, ImagePart),
        "videos": names_of(messages, VideoPart),
    }
