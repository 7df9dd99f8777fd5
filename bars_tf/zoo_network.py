"""The generated Python of a network: tables of what was found, and the methods of the factory that build it.

Only what a genotype needs is written. All that is filled in are numbers and names that its space has validated.
"""

from __future__ import annotations

from typing import NamedTuple

from bars_tf.derived import BATCH_NORM, STE_CLIP
from bars_tf.genotype import Genotype, Topology
from bars_tf.primitives import Primitive
from bars_tf.spaces import STEMS, SearchSpace

POOLS = {"max_pool": "MaxPooling2D", "avg_pool": "AveragePooling2D"}

FLOAT = '''\
    def batch_norm(self, x, name):
        return tf.keras.layers.BatchNormalization(momentum=$momentum, epsilon=$epsilon, name=name)(x)

    def stem(self, x):
        """Float convolutions, each with batch norm, ReLU between them."""
        for i, (filters, kernel, strides) in enumerate(STEM):
            if i:
                x = tf.keras.layers.ReLU()(x)
            x = tf.keras.layers.Conv2D(
                filters, kernel, strides=strides, padding="same", use_bias=False, name=f"stem_{i}_conv"
            )(x)
            x = self.batch_norm(x, f"stem_{i}_bn")
        return x
'''

BINARY = '''\
    def binary_conv(self, x, filters, kernel, strides, dilation, name):
        """The sign of x, convolved with the signs of the kernel. Padded with ones, so that the border is binary too."""
        return lq.layers.QuantConv2D(
            filters,
            kernel,
            strides=strides,
            dilation_rate=dilation,
            padding="same",
            pad_values=1.0,
            input_quantizer=self.input_quantizer,
            kernel_quantizer=self.kernel_quantizer,
            kernel_constraint=self.kernel_constraint,
            kernel_initializer="glorot_normal",
            use_bias=False,
            name=name,
        )(x)

    def binary_block(self, x, filters, kernel, dilation, name, relu=True):
        """Binary convolution, ReLU, batch norm: the order that the Larq Compute Engine fuses."""
        x = self.binary_conv(x, filters, kernel, 1, dilation, f"{name}_conv")
        if relu:
            x = tf.keras.layers.ReLU()(x)
        return self.batch_norm(x, f"{name}_bn")
'''

REDUCTION = '''\
    def factorized_block(self, x, filters, kernel, dilation, name, relu=True):
        """A binary block of stride 2: half of the filters see x, half see it shifted by one pixel."""
        shifted = tf.keras.layers.Cropping2D(((1, 0), (1, 0)))(x)
        shifted = tf.keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(shifted)
        strides, halves = 2, []
        for half, image in (("even", x), ("odd", shifted)):
            if dilation == 2 or kernel == 1:  # both see every second pixel: all of the subsampled image
                image, strides = tf.keras.layers.MaxPooling2D(1, strides=2, padding="same")(image), 1
            halves.append(self.binary_conv(image, filters // 2, kernel, strides, 1, f"{name}_{half}"))
        x = tf.keras.layers.Concatenate()(halves)
        if relu:
            x = tf.keras.layers.ReLU()(x)
        return self.batch_norm(x, f"{name}_bn")

    def pooled(self, x, filters):
        """The shortcut of stride 2: averages of 2x2; output channel j is their channel j modulo their number."""
        x = tf.keras.layers.AveragePooling2D(2, padding="same")(x)
        copies = -(-filters // x.shape[-1])
        if copies > 1:
            x = tf.keras.layers.Concatenate()([x] * copies)
$cut        return x
'''

# Where the channels of two stages do not divide each other.
CUT = '''\
        if x.shape[-1] > filters:  # cut as columns, which stock layers can
            height, width, channels = x.shape[1:]
            x = tf.keras.layers.Reshape((height * width, channels, 1))(x)
            x = tf.keras.layers.Cropping2D(((0, 0), (0, channels - filters)))(x)
            x = tf.keras.layers.Reshape((height, width, filters))(x)
'''

CELL = '''\
    def edge(self, x, shortcut, primitive, filters, strides, name):
        """A primitive on x, a node, and the shortcut that leads past it."""
$branches        kernel, dilation, relu, adds_shortcut = PRIMITIVES[primitive]
$block        return tf.keras.layers.Add()([x, shortcut]) if adds_shortcut else x

    def cell(self, x, filters, topology, name$strides_argument):
        """Squeezes the main path to one node, sums the edges of each node, and concatenates the nodes.

        A shortcut carries the whole main path past that.$node_filters
        """
        shortcut = x
$reduction        process = self.binary_block(x, x.shape[-1] // len(topology), 1, 1, f"{name}_process")
        nodes, shortcuts = [process], [$first_shortcut]
        for target, inputs in enumerate(topology, start=1):
            terms = [
                self.edge(
                    nodes[source],
                    shortcuts[source],
                    primitive,
                    filters,
                    $edge_strides,
                    f"{name}_edge_{source}_{target}_{primitive}",
                )
                for source, primitive in inputs
            ]
            nodes.append($sum)
            shortcuts.append(nodes[-1])
$missing        x = tf.keras.layers.Concatenate()(nodes[1:]) if len(topology) > 1 else nodes[1]
        return tf.keras.layers.Add()([x, shortcut])
'''

BLOCK = "        x = self.binary_block(x, filters, kernel, dilation, name, relu)\n"
BLOCK_2 = '''\
        block = self.binary_block if strides == 1 else self.factorized_block
        x = block(x, filters, kernel, dilation, name, relu)
'''
REDUCE = '''\
        if strides == 2:
            channels = filters * len(topology)
            block = self.factorized_block(x, channels, 3, 1, f"{name}_shortcut")
            shortcut = tf.keras.layers.Add()([block, self.pooled(x, channels)])
'''
MISSING = '''\
        present = [node for node in nodes[1:] if node is not None]
        if not present:
            return shortcut
        zeros = tf.keras.layers.Rescaling(0.0)
        nodes = [zeros(present[0]) if node is None else node for node in nodes]
'''


class NetworkCode(NamedTuple):
    """Python of a network: constants of the module, class attributes and methods of the factory, and the lines of
    `build` between `self.image_input` and the features, all of them from x to x."""

    constants: str
    attributes: str
    methods: str
    build: str


def network_code(genotype: Genotype) -> NetworkCode:
    """What `derived.build_network` builds for the genotype, up to the head, in words."""
    cells, space = genotype.active_cells(), genotype.space
    groups = {position.group: genotype.topology(position.group) for position in cells}
    return NetworkCode(_constants(genotype, groups), _attributes(genotype), _methods(genotype, groups),
                       "".join(_stage(genotype, stage) for stage in range(space.num_stages)))


def _filters(genotype: Genotype, stage: int) -> int:
    return genotype.space.node_channels(stage).count(genotype.widths[stage])


def _constants(genotype: Genotype, groups: dict[str, Topology]) -> str:
    space = genotype.space
    convolutions = STEMS[space.stem]
    between = space.stem_channels or space.init_channels
    widths = [between] * (len(convolutions) - 1) + [_filters(genotype, 0) * space.num_nodes]
    lines = ["# Filters, kernel and strides of each convolution.",
             f"STEM = {tuple((width, *conv) for width, conv in zip(widths, convolutions))}"]
    if groups:
        lines += ["# Of a binary convolution: kernel, dilation, whether a ReLU follows, whether a shortcut is added.",
                  "PRIMITIVES = {"]
        for name, p in _used(space, groups).items():
            if p.branch == "bin_conv":
                lines.append(f'    "{name}": ({p.kernel}, {p.dilation}, {p.activation == "relu"}, {p.shortcut}),')
        lines.append("}")
        lines += ["# The inputs of each node: an earlier node, 0 for the squeezed input, and a primitive."]
    for group, topology in groups.items():
        lines += [f"{group.upper()} = ("]
        for node in topology:
            inputs = "".join(f'({source}, "{primitive}"), ' for source, primitive in node)
            lines.append(f"    ({inputs.rstrip() if len(node) == 1 else inputs.rstrip(', ')}),")
        lines.append(")")
    return "\n".join(lines) + "\n"


def _used(space: SearchSpace, groups: dict[str, Topology]) -> dict[str, Primitive]:
    names = dict.fromkeys(name for topology in groups.values() for node in topology for _, name in node)
    return {name: space.primitive(name) for name in names}


def _branches(space: SearchSpace, groups: dict[str, Topology]) -> str:
    """The lines of `edge` for the primitives without a convolution."""
    lines = []
    for name, p in _used(space, groups).items():
        if p.branch in POOLS:
            pool = f'tf.keras.layers.{POOLS[p.branch]}({p.kernel}, strides=1, padding="same")(shortcut)'
            result = f"tf.keras.layers.Add()([{pool}, shortcut])" if p.shortcut else pool
        elif p.branch == "none":
            result = "shortcut"
        else:
            continue
        lines += [f'        if primitive == "{name}":\n', f"            return {result}\n"]
    return "".join(lines)


def _attributes(genotype: Genotype) -> str:
    if genotype.space.input_quantizer == "ste_sign":
        quantizer = f"lq.quantizers.SteSign(clip_value={STE_CLIP})"
    else:
        quantizer = f'lq.quantizers.get("{genotype.space.input_quantizer}")'
    return (f'    kernel_quantizer = "{genotype.space.kernel_quantizer}"\n    kernel_constraint = "weight_clip"\n\n'
            f"    @property\n    def input_quantizer(self):\n        return {quantizer}\n")


def _methods(genotype: Genotype, groups: dict[str, Topology]) -> str:
    cells = genotype.active_cells()
    if not cells:
        return _fill(FLOAT, **BATCH_NORM)
    reduces = any(position.stride == 2 for position in cells)
    missing = any(not node for topology in groups.values() for node in topology)
    widths = [_filters(genotype, stage) for stage in range(genotype.space.num_stages)]
    cut = any(to % of for of, to in zip(widths, widths[1:]))
    cell = _fill(
        CELL, branches=_branches(genotype.space, groups), block=BLOCK_2 if reduces else BLOCK,
        strides_argument=", strides=1" if reduces else "",
        node_filters=" A node has `filters` channels." + (
            "\n        A node without inputs gives zeros." if missing else ""),
        reduction=REDUCE if reduces else "",
        first_shortcut="process if strides == 1 else self.pooled(process, filters)" if reduces else "process",
        edge_strides="1 if source else strides" if reduces else "1",
        sum="tf.keras.layers.Add()(terms) if len(terms) > 1 else " + (
            "(terms or [None])[0]" if missing else "terms[0]"), missing=MISSING if missing else "")
    parts = [FLOAT, BINARY, *([_fill(REDUCTION, cut=CUT if cut else "")] if reduces else []), cell]
    return _fill("\n".join(parts), **BATCH_NORM)


def _stage(genotype: Genotype, stage: int) -> str:
    space, filters = genotype.space, _filters(genotype, stage)
    lines = [f"        # Stage {stage}: {filters * space.num_nodes} channels.\n"]
    for position in genotype.active_cells():
        if position.stage == stage:
            strides = ", strides=2" if position.stride == 2 else ""
            lines.append(f'        x = self.cell(x, {filters}, {position.group.upper()}, "{position.name}"{strides})\n')
    return "".join(lines)


def _fill(template: str, **values: object) -> str:
    for name, value in values.items():
        template = template.replace(f"${name}", str(value))
    return template
