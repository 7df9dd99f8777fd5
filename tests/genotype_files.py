"""Contents of genotype files, good ones and changed ones."""

import json

from bars_tf.space.genotype import Genotype
from bars_tf.space.presets import BARS_SMALL

GENOTYPE = Genotype(BARS_SMALL, (1.0, 1.0), (1, 1), (((),) * 4,) * 5)


def genotype_text(**changes):
    return json.dumps({**GENOTYPE.to_dict(), **changes})
