"""Search spaces as fields, and their refusals."""

import json

import pytest

from bars_tf.errors import FieldError
from bars_tf.space.backbones import nasb
from bars_tf.space.presets import BARS_PAPER, SPACES
from bars_tf.space.search_space import SearchSpace

SPACE = {"name": "mine", "layout": "N", "num_nodes": 1, "init_channels": 4,
         "primitives": ["none", "skip", "own"], "own_primitives": {"own": {"branch": "bin_conv", "kernel": 3}}}


@pytest.mark.parametrize("change, words", [
    ({"layout": "NX"}, "layout"), ({"colour": 1}, "unknown field 'colour'"), ({"num_nodes": "two"}, "num_nodes"),
    ({"primitives": ["none", "other"]}, "'other' is unknown"), ({"own_primitives": []}, "own_primitives"),
    ({"own_primitives": {"Own; import os": {"branch": "bin_conv"}}}, "small letters"),
    ({"own_primitives": {"skip": {"branch": "bin_conv"}}}, "new names"),
    ({"own_primitives": {"own": {"branch": "lambda"}}}, "branch: must be one of"),
    ({"own_primitives": {"own": {"branch": "bin_conv", "kernel": 4}}}, "kernel: must be an odd number"),
    ({"own_primitives": {"own": {"branch": "bin_conv", "kernel": 3, "dilation": 3}}}, "dilation"),
    ({"own_primitives": {"own": {"branch": "bin_conv", "kernel": 3, "size": 3}}}, "must be an object with branch"),
    ({"own_primitives": {"own": {"branch": "max_pool", "kernel": 3, "shortcut": 1}}}, "shortcut"),
    ({"own_primitives": {"own": {"branch": "bin_conv", "kernel": 3, "activation": "gelu"}}}, "activation"),
])
def test_bad_spaces_are_refused(change, words):
    SearchSpace.from_dict(SPACE)
    with pytest.raises(ValueError, match=r"^(search space: |\w+=)") as error:
        SearchSpace.from_dict(SPACE | change)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("changes, field", [
    ({"stem": "vgg"}, "stem"), ({"init_channels": 0}, "init_channels"), ({"init_channels": True}, "init_channels"),
    ({"stem_channels": 5000}, "stem_channels"), ({"num_nodes": 9}, "num_nodes"), ({"num_paths": 0}, "num_paths"),
    ({"full_width_nodes": 1}, "full_width_nodes"), ({"reduction_kernel": 7}, "reduction_kernel"),
    ({"head_activation": "sign"}, "head_activation"), ({"primitives": ()}, "primitives"),
    ({"primitives": ("skip", "skip")}, "primitives"), ({"width_choices": (1.0, 0.5)}, "width_choices"),
    ({"width_choices": (0.0, 1.0)}, "width_choices"), ({"width_choices": (0.3, 1.0)}, "width_choices"),
    ({"width_choices": ()}, "width_choices"), ({"depth_choices": (0.5,)}, "depth_choices"),
    ({"depth_choices": (9,)}, "depth_choices"), ({"latent_clip": float("inf")}, "latent_clip"),
    ({"max_inputs": 0}, "max_inputs"), ({"backbone": [[16, 3, 1]]}, "backbone"),
    ({"max_inputs": 1, "primitives": ("skip",)}, "max_inputs"), ({"backbone": [[16, 1, 1]]}, "width_choices"),
    ({"kernel_quantizer": "magnitude_aware_sign"}, "kernel_quantizer"), ({"layout": "R" * 20}, "layout"),
    ({"layout": "NRRRRRR", "init_channels": 4096}, "init_channels")], ids=str)
def test_errors_carry_the_field_and_its_value(changes, field):
    with pytest.raises(FieldError) as error:
        BARS_PAPER.replace(**changes)
    assert error.value.field == field and error.value.remedy
    assert error.value.value == changes.get(field, getattr(BARS_PAPER, field)) or field in ("width_choices", "layout")


def test_files_of_before_have_the_defaults_of_new_fields():
    values = {name: value for name, value in BARS_PAPER.to_dict().items() if name != "head_activation"}
    assert SearchSpace.from_dict(values) == BARS_PAPER and BARS_PAPER.head_activation == "none"


@pytest.mark.parametrize("space", [*SPACES.values(), nasb("resnet20")], ids=lambda space: space.name)
def test_round_trip(space):
    assert SearchSpace.from_dict(json.loads(json.dumps(space.to_dict()))) == space


@pytest.mark.parametrize("sharing, groups", [
    ("reduction", ("normal_0", "reduction", "normal_1", "normal_2")),
    ("none", ("normal_0", "reduction_0", "normal_1", "normal_2", "reduction_1")),
    ("stage", ("normal_stage_0", "reduction", "normal_stage_1")), ("all", ("normal", "reduction"))])
def test_cells_that_share_a_topology(sharing, groups):
    space = BARS_PAPER.replace(layout="NRNNR", sharing=sharing)
    assert space.groups == groups
    assert [(c.stage, c.source_stage, c.depth, c.stride) for c in space.cells()] == [
        (0, 0, 1, 1), (1, 0, 0, 2), (1, 1, 1, 1), (1, 1, 2, 1), (2, 1, 0, 2)]
    assert [space.depths(stage) for stage in range(3)] == [(0, 1), (0, 1, 2), (0,)]
