"""What a notebook shows of a genotype."""

from __future__ import annotations

from bars_tf.report import html
from bars_tf.report.drawing import draw
from bars_tf.space.genotype import Genotype


def as_html(genotype: Genotype) -> str:
    """The drawing of a genotype with its description below, as a fragment of HTML."""
    return html.render("genotype.html", figure=html.data_uri(html.png(draw(genotype), 100)),
                       description=genotype.describe())
