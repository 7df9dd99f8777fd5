"""The search spaces of the package, by name."""

from bars_tf.space.fields import Group
from bars_tf.space.search_space import SearchSpace

# The paper's candidates, layout and sizes for CIFAR-10, as far as the authors' published code has them.
BARS_PAPER = SearchSpace(name="bars_paper")
# The space whose networks came out best here at equal cost (docs/results): our choice.
BARS = SearchSpace(
    name="bars", layout="NNNNRNNNNRNNNN", init_channels=32, num_nodes=1, full_width_nodes=True,
    reduction_shortcut="transition", reduction_kernel=0, head_activation="relu",
    primitives=("none", "bin_conv_1x1", "bin_conv_3x3", "bin_conv_5x5"),
    width_choices=(0.25, 0.3125, 0.375, 0.5, 0.5625, 0.75, 1.0))
# For small grey images and minutes: a stem of stride 2, one reduction.
BARS_SMALL = SearchSpace(name="bars_small", stem="cifar_2", layout="NNRNN")
SPACES = {space.name: space for space in (BARS, BARS_PAPER, BARS_SMALL)}
# NASB's candidates and cell as we read it: the abstract does not give them. `backbones.nasb` gives it a real backbone.
NASB = SearchSpace(
    name="nasb", num_nodes=3, max_inputs=2, sharing="none", width_choices=(1.0,),
    primitives=("none", "skip", "bin_conv_1x1", "bin_conv_3x3", "bin_conv_5x5", "bin_dil_conv_3x3", "bin_dil_conv_5x5",
                "max_pool_3x3", "avg_pool_3x3"),
    plain_convolutions=True, input_quantizer="approx_sign", stem="conv_3x3", backbone=(Group(16, 1, 2),))
