"""NAME.py of a Larq Zoo model: `zoo_template.py` with the name and the constants of one network.

Strings of others (class names, the name of the data set) get into the code as literals, or without whatever is no
letter, digit or plain sign.
"""

import ast
import pprint
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jinja2

from bars_tf.cost.measures import Cost
from bars_tf.export.settings import TEMPLATE
from bars_tf.network.keras_network import BATCH_NORM, STE_CLIP
from bars_tf.space.fields import MAX_POOL, STEMS
from bars_tf.space.genotype import Genotype

LINE_LENGTH = 120


class Facts(NamedTuple):
    """What a network was trained on, and how well it does.

    Attributes:
        input_shape: (height, width, channels) of the images.
        mean, std: one value a channel, in units of 255.
        accuracy: fraction of the `images` test images that is classified correctly.
        resized: (height, width) to which images of varying sizes were brought before the middle was cut out.
        device: whose time `cost` estimates, if any.
    """

    dataset: str
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    accuracy: float
    images: int
    cost: Cost
    resized: tuple[int, int] | None = None
    device: str = ""


def module_text(name: str, genotype: Genotype, facts: Facts, sha256: Sequence[str] = ("", "")) -> str:
    """The Python text of NAME.py; `sha256` is that of the files of weights with and without the classifier."""
    weights = {True: (f"{name}_weights.h5", sha256[0]), False: (f"{name}_weights_notop.h5", sha256[1])}
    values = {"INPUT_SHAPE": tuple(facts.input_shape), "CLASS_NAMES": tuple(facts.class_names), "MEAN": facts.mean,
              "STD": facts.std, "WEIGHTS": weights, **network_constants(genotype)}
    text = TEMPLATE.read_text(encoding="utf-8")
    text = text[text.index('"""'):].replace(TEMPLATE.stem, name)
    text = jinja2.Template(text, keep_trailing_newline=True, undefined=jinja2.StrictUndefined).render(
        dataset=plain(facts.dataset), accuracy=f"{facts.accuracy:.2%} of {facts.images:,} test images",
        params=f"{facts.cost.params:,}", memory=memory(facts.cost))
    lines = text.splitlines(keepends=True)
    # From the end, so that the numbers of the lines before stay.
    for node in reversed(ast.parse(text).body):
        if isinstance(node, ast.Assign) and node.targets[0].id in values:
            constant = node.targets[0].id
            value = pprint.pformat(values.pop(constant), width=LINE_LENGTH - len(constant) - 3, sort_dicts=False)
            value = value.replace("\n", "\n" + " " * (len(constant) + 3))
            lines[node.lineno - 1: node.end_lineno] = [f"{constant} = {value}\n"]
    if values:
        raise KeyError(f"no constants of the template: {', '.join(values)}")
    return "".join(lines)


def network_constants(genotype: Genotype) -> dict[str, Any]:
    """The constants of `zoo_template` that describe a network."""
    space, cells = genotype.space, genotype.active_cells()

    def filters(stage: int) -> int:
        return space.node_channels(stage).count(genotype.widths[stage])

    convolutions = [layer for layer in STEMS[space.stem] if layer != MAX_POOL]
    widths = [space.stem_channels or space.init_channels] * (len(convolutions) - 1)
    widths = iter([*widths, space.path_channels(0).count(genotype.widths[0])])
    topologies = {position.group: genotype.topology(position.group) for position in cells}
    primitives = {name: space.primitive(name)
                  for topology in topologies.values() for node in topology for _, name in node}
    return {
        "STEM": tuple((MAX_POOL, 3, 2) if layer == MAX_POOL else (next(widths), *layer) for layer in STEMS[space.stem]),
        "CELL_KIND": "backbone" if space.backbone else "full_width" if space.full_width_nodes else "concatenated",
        "CELLS": tuple((position.name, filters(position.stage), position.stride, position.group,
                        *([space.backbone[position.index].repeats] if space.backbone else [])) for position in cells),
        "TOPOLOGIES": topologies,
        "PRIMITIVES": {name: (p.branch, p.kernel, p.dilation, p.activation == "relu", p.shortcut)
                       for name, p in primitives.items()},
        "REDUCTION": (space.reduction_shortcut, space.reduction_kernel), "NUM_PATHS": space.num_paths,
        "INPUT_QUANTIZER": ({"class_name": "SteSign", "config": {"clip_value": STE_CLIP}}
                            if space.input_quantizer == "ste_sign" else space.input_quantizer),
        "KERNEL_QUANTIZER": space.kernel_quantizer, "LATENT_CLIP": float(space.latent_clip), "BATCH_NORM": BATCH_NORM,
        "ACTIVATIONS": (space.backbone_activation, space.head_activation)}


def memory(cost: Cost) -> str:
    """Bytes of the weights, binary ones as bits, in words."""
    return f"{cost.size_bytes / 1e6:.2f} MB" if cost.size_bytes >= 1e6 else f"{cost.size_bytes / 1e3:.1f} kB"


def plain(text: str) -> str:
    """A text of others as part of a sentence: letters, digits and a few signs."""
    return re.sub(r"[^\w .:/-]", "_", text[:40])
