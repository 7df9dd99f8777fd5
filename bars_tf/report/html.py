"""Pages of HTML that need nothing else: pictures inside, no script, no request. All that is filled in is text."""

from __future__ import annotations

import base64
import functools
import io
from typing import Any

import jinja2


@functools.cache
def _environment() -> jinja2.Environment:
    # Everything is escaped, whatever a template is called: names of classes come from outside.
    return jinja2.Environment(loader=jinja2.PackageLoader("bars_tf.report"), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True, undefined=jinja2.StrictUndefined)


def render(template: str, **values: Any) -> str:
    """The template of that name in `templates/`, filled in."""
    return _environment().get_template(template).render(**values)


def png(figure: Any, dpi: int = 160) -> bytes:
    """A Matplotlib figure as a PNG of 64 colours, which is a third of the size."""
    from PIL import Image

    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=dpi)
    image = Image.open(full).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    return small.getvalue()


def shown(picture: Any, content: bytes) -> dict[str, Any]:
    """What a template needs of a picture (`pictures.Picture`) and its PNG."""
    width, height = (round(inches * 100) for inches in picture.figure.get_size_inches())
    return {"title": picture.title, "alt": picture.alt, "source": data_uri(content), "width": width, "height": height}


def data_uri(content: bytes) -> str:
    """PNG bytes as the address of an image."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
