import io

import numpy as np
from helpers import ROOT
from matplotlib.colors import to_rgb
from PIL import Image

from bars_tf.report import drawing, html
from bars_tf.space.genotype import Genotype


def test_the_colours_of_the_rarest_primitives_stay():
    genotype = Genotype.load(next(ROOT.glob("configs/**/nasb_quickstart_seed0.json")))
    image = Image.open(io.BytesIO(html.png(genotype.plot())))
    assert image.mode == "P"
    shown = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    used = [name for name, fraction in genotype.primitive_fractions().items() if fraction and name != "none"]
    for color in [to_rgb(drawing.colors(genotype.space)[name]) for name in used] + [(1, 1, 1)]:
        assert np.abs(shown - np.multiply(color, 255)).max(1).min() <= 8


def test_values_are_escaped():
    page = html.render("genotype.html", figure="<x>", description=["<b>"])
    assert "<b>" not in page and "<x>" not in page
