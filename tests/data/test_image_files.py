"""Image files: every format, mode and orientation as Pillow has it, and what is refused."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, features

from bars_tf.data.image_files import read_header, read_pixels

Y, X = np.mgrid[:20, :28]
RGB = Image.fromarray(np.stack([X * 9, Y * 12, (X + Y) * 5], -1).astype(np.uint8))
ALPHA = Image.fromarray((X * 9).astype(np.uint8))
RGBA = RGB.copy()
RGBA.putalpha(ALPHA)
GREY = RGB.convert("L")
DEEP = Image.fromarray((Y * 3000 + X).astype(np.uint16))
PALETTE = RGB.quantize(256)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
FEW = RGB.quantize(4)

SAVED = [
    ("png", RGB, {}), ("png", RGBA, {}), ("png", GREY, {}), ("png", RGBA.convert("LA"), {}), ("png", PALETTE, {}),
    ("png", RGB.convert("1"), {}), ("png", DEEP, {}), ("png", PALETTE, {"transparency": 3}),
    ("png", PALETTE, {"transparency": bytes(range(256))}), ("png", RGB, {"transparency": (9, 12, 10)}),
    ("png", GREY, {"transparency": 7}), ("png", FEW, {"bits": 2}), ("png", RGB.quantize(2), {"bits": 1}),
    ("png", RGB, {"icc_profile": PROFILE}), ("png", RGB, {"save_all": True, "append_images": [RGB.rotate(180)]}),
    ("jpg", RGB, {}), ("jpg", GREY, {}), ("jpg", RGB.convert("CMYK"), {}), ("jpg", RGB, {"progressive": True}),
    ("jpg", RGB, {"quality": 5}), ("jpg", RGB, {"subsampling": 0}), ("jpg", RGB, {"icc_profile": PROFILE}),
    ("bmp", RGB, {}), ("bmp", GREY, {}), ("bmp", PALETTE, {}), ("bmp", RGBA, {}), ("bmp", RGB.convert("1"), {}),
    ("gif", PALETTE, {}), ("gif", GREY, {}), ("gif", PALETTE, {"transparency": 5}),
    ("gif", PALETTE, {"save_all": True, "append_images": [PALETTE.rotate(180)]}),
    ("tif", RGB, {}), ("tif", GREY, {}), ("tif", RGB.convert("CMYK"), {}), ("tif", PALETTE, {}), ("tif", DEEP, {}),
    ("tif", RGB.convert("1"), {"compression": "group4"}), ("tif", RGB, {"compression": "tiff_lzw"}), ("tif", RGBA, {}),
    ("tif", RGB, {"save_all": True, "append_images": [RGB.rotate(180)]}),
    ("webp", RGB, {"lossless": True}), ("webp", RGBA, {}), ("webp", RGB, {"quality": 30}),
    ("ppm", RGB, {}), ("pgm", GREY, {}), ("pgm", DEEP, {}), ("pbm", RGB.convert("1"), {}),
    ("jp2", RGB, {"irreversible": False}), ("mpo", RGB, {"save_all": True, "append_images": [RGB.rotate(180)]}),
    ("avif", RGB, {}),
]


def encode(image, extension, options):
    if extension in ("webp", "avif", "jp2") and not features.check({"jp2": "jpg_2000"}.get(extension, extension)):
        pytest.skip(f"Pillow has no {extension} here")
    image = image.copy()
    content = io.BytesIO()
    kind = {"jpg": "jpeg", "tif": "tiff", "pgm": "ppm", "pbm": "ppm", "jp2": "jpeg2000"}.get(extension, extension)
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("extension, image, options", SAVED, ids=[f"{e}-{i.mode}-{'-'.join(o)}" for e, i, o in SAVED])
def test_pixels_are_those_of_pillow(tmp_path, extension, image, options):
    file = tmp_path / f"x.{extension}"
    file.write_bytes(encode(image, extension, options))
    header, opened = read_header(file), Image.open(file)
    assert header[:2] == opened.size == RGB.size
    assert header.is_grey == (opened.mode in ("1", "L", "I", "I;16"))
    assert header.has_alpha == ("A" in opened.mode or "transparency" in opened.info)
    if image is DEEP:  # which Pillow clips
        grey = np.asarray(DEEP) >> 8
        assert np.array_equal(read_pixels(file, 1), grey[..., None])
        assert np.array_equal(read_pixels(file, 3), np.repeat(grey[..., None], 3, -1))
        return
    assert np.array_equal(read_pixels(file, 3), np.asarray(opened.convert("RGB")))
    if header.is_grey:
        assert np.array_equal(read_pixels(file, 1)[..., 0], np.asarray(opened.convert("L")))
    if extension in ("png", "bmp", "tif", "ppm"):
        assert np.array_equal(read_pixels(file, 3), np.asarray(image.convert("RGB")))
    assert np.abs(read_pixels(file, 3) - np.asarray(image.convert("RGB"), float)).mean() < 25  # of the first image


EXIF = {turn: Image.Exif() for turn in range(10)}
for _turn, _exif in EXIF.items():
    _exif[0x0112] = _turn


def with_exif_behind(png, exif):
    """A PNG file with EXIF data behind its pixels, as some editors write it."""
    chunk = b"eXIf" + exif.tobytes()[6:]
    return png[:-12] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[-12:]


@pytest.mark.parametrize("turn", EXIF)
@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "webp", "behind.png", "xmp.jpg", "mpo", "avif"])
def test_images_are_turned_as_viewers_show_them(tmp_path, extension, turn):
    file, kind = tmp_path / f"x.{extension}", extension.split(".")[-1]
    options = {} if "." in extension else {"exif": EXIF[turn]}
    if extension == "xmp.jpg":
        options = {"xmp": f'<x:xmpmeta><rdf:Description tiff:Orientation="{turn}"/></x:xmpmeta>'.encode()}
    content = encode(RGB, kind, options | ({"lossless": True} if kind == "webp" else {}))
    file.write_bytes(with_exif_behind(content, EXIF[turn]) if extension == "behind.png" else content)
    pixels = read_pixels(file, 3)
    assert np.array_equal(pixels, np.asarray(ImageOps.exif_transpose(Image.open(file))))
    assert read_header(file)[:2] == pixels.shape[1::-1]
    if turn == 6:  # the camera was held upright: a turn clockwise
        assert np.abs(pixels.astype(int) - np.rot90(np.asarray(RGB), -1)).mean() < 5


def test_damaged_metadata_are_ignored(tmp_path):
    file = tmp_path / "x.jpg"
    for exif in (b"Exif\0\0", b"Exif\0\0MM", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0\1", b"Exif\0\0" + os.urandom(50)):
        RGB.save(file, exif=exif)
        assert read_header(file)[:2] == RGB.size
        assert read_pixels(file, 3).shape == (20, 28, 3)


def colours_of_16_bits():
    """A PNG file, written by hand because Pillow cannot."""
    values = np.stack([X * 2300, Y * 3000, (X + Y) * 1300], -1).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", struct.pack(">IIBBBBB", 28, 20, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)),
                       (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content, (values >> 8).astype(np.uint8)


def test_colours_of_16_bits_have_the_higher_8(tmp_path):
    content, expected = colours_of_16_bits()
    (tmp_path / "x.png").write_bytes(content)
    assert np.array_equal(read_pixels(tmp_path / "x.png", 3), expected)


@pytest.mark.parametrize("name", ["ü 日本 .png", "a\nb.png", "[x]*?.PNG", "%20 & 'q' \"r\".png", "x.jpg", "-x.png",
                                  "\u3000.png"])
def test_odd_names(tmp_path, name):
    RGB.save(tmp_path / name, "png")
    assert np.array_equal(read_pixels(os.fsencode(tmp_path / name), 3), np.asarray(RGB))


def test_links_are_followed(tmp_path):
    RGB.save(tmp_path / "x.png")
    (tmp_path / "y.png").symlink_to("x.png")
    assert np.array_equal(read_pixels(tmp_path / "y.png", 3), np.asarray(RGB))


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp", "gif", "tif", "webp", "ppm", "jp2", "avif"])
def test_a_file_that_was_cut_off_is_named(tmp_path, extension):
    content = encode(PALETTE if extension == "gif" else RGB, extension, {})
    for length in (len(content) // 2, len(content) // 4, 12, 3):
        file = tmp_path / f"a\n{length}.{extension}"
        file.write_bytes(content[:length])
        with pytest.raises(ValueError, match=f"^file '.*{length}.{extension}' can't be read: .") as caught:
            read_pixels(file, 3)
        assert "\n" not in str(caught.value) and "<_io" not in str(caught.value)


def tiff_of_16_bits(values, photometric=1, sample_format=1):
    """A TIFF file of one channel, written by hand because Pillow writes neither a sign nor white as 0."""
    rows = values.astype("<i4").astype("<u2").tobytes()
    tags = [(256, 4, 28), (257, 4, 20), (258, 3, 16), (259, 3, 1), (262, 3, photometric), (273, 4, 8), (277, 3, 1),
            (279, 4, len(rows)), (339, 3, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(rows)) + rows + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("photometric", [0, 1])
def test_tiff_files_of_16_bits_may_have_white_as_0(tmp_path, photometric):
    """As those of 8 bits; Pillow reads them as negatives."""
    (tmp_path / "x.tif").write_bytes(tiff_of_16_bits(Y * 3000, photometric))
    grey = Y * 3000 >> 8
    assert np.array_equal(read_pixels(tmp_path / "x.tif", 1)[..., 0], grey if photometric else 255 - grey)


def with_chunk(kind, content, checksum=None):
    """A PNG file with a chunk before its pixels."""
    png = encode(RGB, "png", {})
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    return png[:33] + struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum) + png[33:]


@pytest.mark.parametrize("kind, content", [
    (b"zTXt", b"prompt\0\0" + zlib.compress(bytes(3_000_000))),  # Pillow#8363, opencv#22551
    (b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(b"a" * 3_000_000)),
    (b"iCCP", b"profile\0\0" + zlib.compress(bytes(3_000_000))), (b"iCCP", b"profile\0\0nonsense"),
    (b"zTXt", b"text\0\0nonsense"), (b"eXIf", b"nonsense"),
])
def test_texts_and_profiles_do_not_keep_an_image_from_being_read(tmp_path, kind, content):
    (tmp_path / "x.png").write_bytes(with_chunk(kind, content))
    assert np.array_equal(read_pixels(tmp_path / "x.png", 3), np.asarray(RGB))


def refused(directory):
    file = directory / "x.png"
    yield "empty", file.touch
    yield "not an image of a format.* begins with b'<html>404", lambda: file.write_text("<html>404</html>")
    yield "not an image of a format.* begins with b'version https:", lambda: file.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    yield "damaged file of the format PNG: .*tEXt", lambda: file.write_bytes(with_chunk(b"tEXt", b"x\0y", checksum=1))
    yield "damaged file of the format WEBP|decoder", lambda: file.write_bytes(encode(RGB, "webp", {})[:40])
    yield "truncated|Truncated", lambda: file.write_bytes(encode(RGB, "jpg", {})[:30])
    yield "mode I;.*without a sign", lambda: file.write_bytes(tiff_of_16_bits(Y * 3000 - 30000, sample_format=2))
    yield "mode F", lambda: Image.new("F", (9, 9)).save(file, "tiff")
    yield "mode I;", lambda: Image.new("I", (9, 9)).save(file, "tiff")
    yield "mode LAB", lambda: Image.new("LAB", (9, 9)).save(file, "tiff")
    yield "format is TGA", lambda: RGB.save(file, "tga")
    yield "format is EPS", lambda: RGB.save(file, "eps")
    yield "no such file", lambda: None
    yield "link that leads nowhere", lambda: file.symlink_to("gone.png")
    yield "link that leads nowhere", lambda: file.symlink_to("x.png")
    yield "it is a directory", file.mkdir
    if hasattr(os, "mkfifo"):
        yield "a pipe or a device", lambda: os.mkfifo(file)


@pytest.mark.parametrize("number", range(17))
def test_what_is_refused(tmp_path, number):
    reason, write = list(refused(tmp_path))[number]
    write()
    for read in (read_header, lambda path: read_pixels(path, 3)):
        with pytest.raises(ValueError, match=f"x.png can't be read: .*{reason}"):
            read(tmp_path / "x.png")


def test_more_pixels_than_pillow_opens(tmp_path, monkeypatch):
    RGB.save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
    assert read_header(tmp_path / "x.png").width == 28  # up to twice as many
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    with pytest.raises(ValueError, match="x.png can't be read: Image size .560 pixels. exceeds limit"):
        read_header(tmp_path / "x.png")
