"""Pictures: reading them from wherever they are, with clear errors and bounded cost.

Pictures keep the mode of their file: a family converts them as its official code does. EXIF orientation is
not applied, because no official code of the six families applies it. Of an animated picture the first frame
is read.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from vlmplug.errors import MediaError
from vlmplug.media_policy import MediaPolicy
from vlmplug.source import ByteSource, read_bytes

#: Formats that are opened (JPEG with its many-picture kind MPO); everything else that Pillow knows
#: (PostScript, PDF, …) is refused.
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
#: Pixels of one picture that are decoded at the most; checked on the header, before decoding.
MAX_PICTURE_PIXELS = 178_956_970
#: Bytes of one picture file that are read at the most.
MAX_PICTURE_BYTES = 1 << 29

PictureSource: TypeAlias = "ByteSource | Image.Image | npt.NDArray[np.uint8] | Picture"

# What Pillow's readers raise on files that break the rules of their format.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class Picture:
    """A decoded picture, in the mode of its file, independent of the source it came from. Picklable."""

    image: Image.Image


def open_picture(source: PictureSource, where: str, policy: MediaPolicy | None = None) -> Picture:
    """Reads and decodes one picture.

    :param source: a path, an address (``https:``, ``data:``, ``file:``), bytes, a binary file, a PIL image, a uint8
        array [height, width] or [height, width, 1] (grey), [height, width, 3] (RGB) or [height, width, 4] (RGBA), or
        a `Picture`, which is returned as it is.
    :param where: what the caller calls this picture; every message begins with it.
    :param policy: which files and addresses may be read; None: `MediaPolicy`'s defaults.
    :raises MediaError: it cannot be read, has another format, is broken or cut short, or has too many pixels.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, Image.Image):
        return _from_image(source, where)
    if isinstance(source, np.ndarray):
        return _from_array(source, where)
    return _from_bytes(read_bytes(_checked_source(source, where), where, MAX_PICTURE_BYTES, policy), where)


def _checked_source(source: Any, where: str) -> Any:
    if isinstance(source, str | bytes | bytearray | memoryview) or hasattr(source, "read"):
        return source
    if hasattr(source, "__fspath__"):
        return source
    raise MediaError(
        f"{where}: {type(source).__name__} is nothing that a picture can be read from.",
        "Give a path, an address, bytes, a binary file, a PIL image or a uint8 array.",
    )


class _WholeFile(io.BytesIO):
    """Bytes of a file; once ``decoding``, asking for more than there are is an error.

    Pillow has a process-wide switch that makes it fill up cut files in silence; libraries set it. With this
    reader a cut file is an error whatever the switch says.
    """

    decoding = False

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        if self.decoding and not content and size != 0:
            raise OSError("the file ends too early")
        return content


def _from_bytes(content: bytes, where: str) -> Picture:
    file = _WholeFile(content)
    try:
        with Image.open(file, formats=PICTURE_FORMATS) as image:
            _check_pixels(image.size, where)
            file.decoding = True
            image.load()
            return Picture(image.copy())
    except UnidentifiedImageError as error:
        raise MediaError(
            f"{where}: not a picture of a known format.",
            f"Convert it to one of {', '.join(PICTURE_FORMATS)}.",
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(_declared_size(content), where) from error
    except MemoryError as error:
        raise MediaError(f"{where}: too little memory to decode it.", "Give a smaller picture.") from error
    except _BROKEN as error:
        raise MediaError(f"{where}: the picture is broken or cut short ({error}).", "Give a complete file.") from error


def _check_pixels(size: tuple[int, int], where: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise MediaError(f"{where}: the picture is {width}x{height}.", "Give a picture with at least one pixel.")
    if width * height > MAX_PICTURE_PIXELS:
        raise _too_large(size, where)


def _too_large(size: tuple[int, int] | None, where: str) -> MediaError:
    told = "it has" if size is None else f"{size[0]}x{size[1]} are"
    return MediaError(f"{where}: {told} more than {_most_pixels()} pixels.", "Scale the picture down.")


def _most_pixels() -> int:
    """The limit, or the one that the program set for Pillow where that is lower."""
    return min(MAX_PICTURE_PIXELS, 2 * (Image.MAX_IMAGE_PIXELS or MAX_PICTURE_PIXELS))


def _declared_size(content: bytes) -> tuple[int, int] | None:
    """What the header of a picture says, which Pillow does not tell of one that it finds too large; None: nor here."""
    for name in PICTURE_FORMATS:
        factory, accepts = Image.OPEN[name]
        if accepts is None or accepts(content[:16]) is True:
            try:
                with factory(io.BytesIO(content), "") as image:
                    return (image.width, image.height)
            except Image.DecompressionBombError:  # the reader of WebP looks at the size itself
                return None
    return None


def _from_image(image: Image.Image, where: str) -> Picture:
    _check_pixels(image.size, where)
    try:
        # A copy: what the caller does to the image afterwards changes nothing here.
        return Picture(image.copy())
    except _BROKEN as error:
        raise MediaError(
            f"{where}: the PIL image cannot be loaded ({error}).",
            "Load it (image.load()) before its file is closed.",
        ) from error


def _from_array(array: npt.NDArray[Any], where: str) -> Picture:
    channels = array.shape[2] if array.ndim == 3 else 1 if array.ndim == 2 else 0
    if array.dtype != np.uint8 or channels not in (1, 3, 4):
        raise MediaError(
            f"{where}: an array of {array.dtype} {list(array.shape)}.",
            "Give uint8 [height, width] (grey), [height, width, 3] (RGB) or [height, width, 4] (RGBA)"
            + ("; of values from 0 to 1: (array * 255).round().astype('uint8')." if array.dtype.kind == "f" else "."),
        )
    _check_pixels((array.shape[1], array.shape[0]), where)
    plane = np.array(array.reshape(array.shape[:2]) if channels == 1 else array)
    return Picture(Image.fromarray(plane))
