"""Image files of the user: their pixels as Pillow reads them and as viewers show them.

Pillow, because TensorFlow's decoders take palette indices of BMP files for grey values, ignore the orientation of
photographs, and know four formats.
"""

import os
import struct
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from bars_tf.errors import one_line

FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")  # as Pillow calls them
EXTENSIONS = tuple(sorted(end for end, name in Image.registered_extensions().items() if name in FORMATS))
GREY_MODES = ("1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N")  # of Pillow; those with I have 16 bits
COLOUR_MODES = ("LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
ORIENTATION = 0x0112  # EXIF tag
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
         5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
         8: Image.Transpose.ROTATE_90}  # that undo an orientation

# About metadata and sizes; what cannot be read is an error.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Programs that generate images store long texts in them; they are not used here, and are no reason to refuse an image.
PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)


class Header(NamedTuple):
    """What is known of an image without decoding it."""

    width: int  # in pixels, after it is turned
    height: int
    is_grey: bool
    has_alpha: bool
    is_deep: bool  # 16 bits
    is_first: bool  # of several images in the file


def read_header(path: str | bytes | os.PathLike) -> Header:
    """Reads the header of an image file.

    Raises: ValueError naming the file: it cannot be read.
    """
    try:
        with _open(path) as image:
            if image.format == "PNG" and "exif" not in image.info and _has_exif(path):
                image.load()
            # Pillow turns TIFF files itself.
            turned = image.format != "TIFF" and _orientation(image) in (5, 6, 7, 8)
            width, height = image.size[::-1] if turned else image.size
            # Beside their photograph, cameras store others in files of the format MPO: of its parts, or smaller ones.
            is_first = image.format != "MPO" and getattr(image, "is_animated", False)
            return Header(width, height, image.mode in GREY_MODES,
                          image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info, image.mode[0] == "I",
                          is_first)
    except Exception as error:  # noqa: BLE001 - Pillow raises anything for damaged files
        raise _unreadable(path, error) from None


def read_pixels(path: str | bytes | os.PathLike, channels: int) -> np.ndarray:
    """Decodes an image file, of several images the first one.

    Transparency and colour profiles are ignored; of 16 bits, the higher 8 are used.

    Args:
        path: the file.
        channels: 1 for grey values, 3 for colours.
    Returns:
        uint8 [H, W, channels], turned according to its metadata.
    Raises: ValueError naming the file: it cannot be read.
    """
    try:
        with _open(path) as file:
            file.load()
            turn = TURNS.get(_orientation(file))
            file.info.pop("transparency", None)  # otherwise Pillow looks for a colour that stands for it
            image = _higher_bits(file) if file.mode[0] == "I" else file
            image = image.convert("L" if channels == 1 else "RGB")
        image = image if turn is None else image.transpose(turn)
        return np.asarray(image).reshape(image.height, image.width, channels)
    except Exception as error:  # noqa: BLE001 - Pillow raises anything for damaged files
        raise _unreadable(path, error) from None


def printable(path: str | bytes | os.PathLike) -> str:
    """A path as text of one line."""
    text = os.fsdecode(path)
    return text if text.isprintable() else repr(text)


def _open(path: str | bytes | os.PathLike) -> Image.Image:
    if not os.path.isfile(path):  # to open a pipe would wait for ever
        raise ValueError("it is a directory, a pipe or a device" if os.path.exists(path) else
                         "it is a link that leads nowhere" if os.path.islink(path) else "there is no such file")
    if not os.path.getsize(path):
        raise ValueError("it is empty")
    image = Image.open(os.fspath(path))
    if image.format not in FORMATS:
        raise ValueError(f"its format is {image.format}; {', '.join(FORMATS)} are supported")
    is_other = image.format == "TIFF" and image.mode[0] == "I" and (
        image.tag_v2.get(BITS) != (16,) or image.tag_v2.get(SAMPLE_FORMAT, (1,)) != (1,))
    if image.mode not in GREY_MODES + COLOUR_MODES or is_other:
        raise ValueError(f"its pixels are of Pillow's mode {image.mode}; 8 or 16 bits a channel of grey, RGB or CMYK, "
                         "without a sign, are supported")
    return image


def _higher_bits(image: Image.Image) -> Image.Image:
    """The higher 8 of 16 bits, to which Pillow would clip the values."""
    pixels = (np.asarray(image) >> 8).astype(np.uint8)
    if image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == 0:  # white is 0; Pillow knows that of 8 bits only
        pixels = 255 - pixels
    return Image.fromarray(pixels)


def _orientation(image: Image.Image) -> int:
    try:
        return Image.Image.getexif(image).get(ORIENTATION, 1)  # the method of PNG files would decode the image
    except Exception:  # noqa: BLE001 - damaged metadata; viewers ignore it too
        return 1


def _has_exif(path: str | bytes | os.PathLike) -> bool:
    """Whether a PNG file has EXIF data, also behind its pixels, where Pillow finds it only after it decoded them."""
    with open(path, "rb") as file:
        file.seek(8)
        kind = None
        while kind != b"eXIf" and len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            file.seek(length + 4, os.SEEK_CUR)
    return kind == b"eXIf"


def _unreadable(path: str | bytes | os.PathLike, error: Exception) -> ValueError:
    if isinstance(error, UnidentifiedImageError):
        reason = _why_unidentified(path)
    else:
        reason = getattr(error, "strerror", None) or one_line(error)
    return ValueError(f"file {printable(path)} can't be read: {reason}")


def _why_unidentified(path: str | bytes | os.PathLike) -> str:
    """What Pillow does not say: whether a file begins as one of a supported format, and what is wrong with it then."""
    with open(path, "rb") as file:
        start = file.read(16)
        for name in FORMATS:
            factory, accept = Image.OPEN.get(name, (None, None))
            if accept and accept(start.ljust(16, b"\0")) is True:
                try:
                    file.seek(0)
                    factory(file, "")
                except Exception as error:  # noqa: BLE001 - Pillow raises anything for damaged files
                    return f"a damaged file of the format {name}: {one_line(error)}"
    return f"not an image of a format that is supported ({', '.join(FORMATS)}): it begins with {start!r}"
