"""Self-contained HTML pages: figures are embedded, there are no scripts and no requests, and every value is escaped."""

import base64
import datetime
import io
from typing import Any

import jinja2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from bars_tf import __version__

# Everything is escaped, whatever a template is called: names of classes come from outside.
TEMPLATES = jinja2.Environment(loader=jinja2.PackageLoader("bars_tf.report"), autoescape=True, trim_blocks=True,
                               lstrip_blocks=True, undefined=jinja2.StrictUndefined)


def render(template: str, **values: Any) -> str:
    """Fills in the template of that name in `templates/`, which may show this version of bars_tf and the time too."""
    now = datetime.datetime.now().strftime("%Y-%m-%d %H:%M")
    return TEMPLATES.get_template(template).render(values, version=__version__, now=now)


def png(figure: Figure, dpi: int = 160) -> bytes:
    """Renders a figure as a PNG of 256 colours, a third of the size of one in full colour.

    By Agg itself, without pyplot: the backend that a notebook or a desktop has chosen plays no part.
    """
    figure.set_dpi(dpi)
    canvas, content = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(content, format="png", optimize=True)
    return content.getvalue()


def data_uri(content: bytes) -> str:
    """PNG bytes as the address of an image."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
