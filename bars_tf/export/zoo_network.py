"""The generated Python of a network: tables of what was found, and the methods of the factory that build it.

Only what a genotype needs is written. All that is filled in are numbers and names that its space has validated.
"""

from __future__ import annotations

from typing import NamedTuple

from bars_tf.export import zoo_templates as templates
from bars_tf.network.keras_network import BATCH_NORM, STE_CLIP
from bars_tf.space.fields import MAX_POOL, STEMS
from bars_tf.space.genotype import Genotype, Topology
from bars_tf.space.primitives import Primitive
from bars_tf.space.search_space import SearchSpace

POOLS = {"max_pool": "MaxPooling2D", "avg_pool": "AveragePooling2D"}


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
    convolutions = [layer for layer in STEMS[space.stem] if layer != MAX_POOL]
    between = space.stem_channels or space.init_channels
    widths = [between] * (len(convolutions) - 1) + [space.path_channels(0).count(genotype.widths[0])]
    lines = ["# Filters, kernel and strides of each convolution.",
             f"STEM = {tuple((width, *conv) for width, conv in zip(widths, convolutions))}"]
    if groups:
        lines += ["# Of a binary convolution: kernel, dilation, whether a ReLU follows, whether a shortcut is added.",
                  "PRIMITIVES = {"]
        for name, p in _used(space, groups).items():
            if p.branch == "bin_conv":
                lines.append(f'    "{name}": ({p.kernel}, {p.dilation}, {p.activation == "relu"}, {p.shortcut}),')
        lines.append("}")
        lines += ["# The inputs of each node: an earlier node, 0 for the " + (
            "cell's" if space.backbone or space.full_width_nodes else "squeezed") + " input, and a primitive."]
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
    return (f'    kernel_quantizer = "{genotype.space.kernel_quantizer}"\n\n'
            f"    @property\n    def input_quantizer(self):\n        return {quantizer}\n\n"
            "    @property\n    def kernel_constraint(self):\n"
            f"        return lq.constraints.WeightClip(clip_value={float(genotype.space.latent_clip)})\n")


def _methods(genotype: Genotype, groups: dict[str, Topology]) -> str:
    space, cells = genotype.space, genotype.active_cells()
    pooled = STEMS[space.stem][-1] == MAX_POOL
    max_pool = '        x = tf.keras.layers.MaxPooling2D(3, strides=2, padding="same")(x)\n' if pooled else ""
    parts = [_fill(templates.FLOAT, max_pool=max_pool)]
    if cells:
        strides = any(position.stride == 2 for position in cells)
        opens = any(position.opens_stage for position in cells)
        channels = [_filters(genotype, stage) for stage in range(space.num_stages)]
        cut = any(to % of for of, to in zip(channels, channels[1:]))
        parts += _blocks(space, strides)
        if opens:
            parts.append(_fill(templates.MAPPED, cut=templates.CUT if cut else ""))
            if space.reduction_shortcut == "transition":
                parts.append(templates.TRANSITION)
        missing = any(not node for topology in groups.values() for node in topology)
        cell = _backbone_cell(opens, strides) if space.backbone else _bars_cell(space, missing, strides)
        edge = _fill(templates.EDGE, branches=_branches(space, groups),
                     block=templates.BLOCK_2 if strides else templates.BLOCK)
        parts.append(_fill(
            edge + "\n" + cell, strides_argument=", strides=1" if opens else "",
            strided_block="strided_block" if space.backbone else "factorized_block",
            edge_strides="1 if source else strides" if opens else "1",
            sum="tf.keras.layers.Add()(terms) if len(terms) > 1 else " + (
                "(terms or [None])[0]" if missing else "terms[0]")))
    return _fill("\n".join(parts), **BATCH_NORM)


def _blocks(space: SearchSpace, strides: bool) -> list[str]:
    """The binary blocks, of stride 1 and where there are `strides` of 2, of one path or several."""
    names = ["binary_block", *(["strided_block" if space.backbone else "factorized_block"] if strides else [])]
    texts = [templates.BINARY, templates.STRIDED if space.backbone else templates.FACTORIZED][: len(names)]
    if space.num_paths == 1:
        return texts
    paths = [name.replace("block", "path") for name in names]
    return [*(text.replace(f"def {name}(", f"def {path}(") for text, name, path in zip(texts, names, paths)),
            *(_fill(templates.PATHS, block=name, path=path, num_paths=space.num_paths)
              for name, path in zip(names, paths))]


def _bars_cell(space: SearchSpace, missing: bool, reduces: bool) -> str:
    reduction = templates.REDUCE + (templates.REDUCE_CONV if space.reduction_kernel else "") if reduces else ""
    shortcut = ('self.transition(x, $path_filters, f"{name}_transition")' if space.reduction_shortcut == "transition"
                else "self.mapped(x, $path_filters, 2)")
    reduction = _fill(reduction, shortcut=shortcut, reduction_kernel=space.reduction_kernel,
                      path_filters="filters" if space.full_width_nodes else "filters * len(topology)")
    if space.full_width_nodes:
        return _fill(
            templates.FULL_WIDTH_CELL, nodes=templates.NODES, reduction=reduction, node_0="x",
            first_shortcut="x if strides == 1 else self.mapped(x, filters, strides)" if reduces else "x")
    return _fill(
        templates.CELL, nodes=templates.NODES, reduction=reduction,
        node_filters=" A node has `filters` channels." + (
            "\n        A node without inputs gives zeros." if missing else ""),
        first_shortcut="process if strides == 1 else self.mapped(process, filters, strides)" if reduces else "process",
        node_0="process", missing=templates.MISSING if missing else "")


def _backbone_cell(opens: bool, strides: bool) -> str:
    conv = "self.binary_block" if not opens else "block"
    downsample = templates.DOWNSAMPLE if opens else ""
    if opens and not strides:
        downsample = downsample.replace("self.strided_block if i == 0 and strides == 2 else ", "")
    return _fill(
        templates.BACKBONE_CELL, nodes=templates.NODES, node_0="x", downsample=downsample,
        first_shortcut="self.mapped(x, filters, strides)" if opens else "x",
        conv=f'{conv}(path, filters, 3, 1, f"{{name}}_backbone_{{i}}", relu=False)')


def _stage(genotype: Genotype, stage: int) -> str:
    space, filters = genotype.space, _filters(genotype, stage)
    lines = [f"        # Stage {stage}: {space.path_channels(stage).count(genotype.widths[stage])} channels.\n"]
    for position in genotype.active_cells():
        if position.stage == stage:
            repeats = f"{space.backbone[position.index].repeats}, " if space.backbone else ""
            strides = f", strides={position.stride}" if position.stride > 1 else ""
            lines.append(f'        x = self.cell(x, {filters}, {repeats}{position.group.upper()}, "{position.name}"'
                         f"{strides})\n")
    return "".join(lines)


def _fill(template: str, **values: object) -> str:
    for name, value in values.items():
        template = template.replace(f"${name}", str(value))
    return template
