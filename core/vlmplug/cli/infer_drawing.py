"""``infer --draw FILE``: the last picture of a question with the places that the answer names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from vlmplug.box_drawing import with_boxes
from vlmplug.cli.output_file import check_folder
from vlmplug.errors import OptionError
from vlmplug.media import Picture

if TYPE_CHECKING:
    from vlmplug.pipeline import Preparer, Request
    from vlmplug.sampling import Answer


class Drawing:
    """A picture to draw on, and the file that it goes to.

    :raises OptionError: the model names no places, the question has no picture, the file exists, has no folder, or a
        name that says no format that can be written; found before a model is loaded.
    """

    def __init__(self, file: Path, preparer: Preparer, request: Request) -> None:
        if preparer.model.box_scale is None:
            raise OptionError(f"--draw: {preparer.model.model_type} names no places.", "Leave --draw out.")
        formats = Image.registered_extensions()
        if formats.get(file.suffix.lower()) not in Image.SAVE:
            raise OptionError(f"--draw {file}: no known format of pictures.", "Write FILE.png or FILE.jpg.")
        check_folder(file, "--draw")
        if file.exists():  # it may be the picture itself
            raise OptionError(f"--draw {file}: the file exists.", "Choose another name.")
        media = preparer.opened(request).conversation.media
        pictures = [part.source.image for part in media if isinstance(part.source, Picture)]
        if not pictures:
            raise OptionError("--draw: there is no picture to draw on.", "Give one with --image.")
        self._file, self._picture = file, pictures[-1]

    def draw(self, answer: Answer) -> str:
        """Writes the file, and says what is in it.

        :raises OptionError: it cannot be written.
        """
        drawn = with_boxes(self._picture, answer.boxes)
        try:
            with self._file.open("xb") as stream:
                drawn.save(stream, Image.registered_extensions()[self._file.suffix.lower()])
        except OSError as error:
            raise OptionError(f"--draw {self._file}: {error.strerror or error}.", "Name another file.") from error
        count = len(answer.boxes)
        return f"{self._file} shows {count} {'place' if count == 1 else 'places'}"
