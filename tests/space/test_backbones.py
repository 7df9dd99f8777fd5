"""Backbones by name."""



from bars_tf.space.backbones import nasb


def test_a_backbone_may_be_multiplied_by_a_whole_number():
    assert nasb("resnet20", 2) == nasb("resnet20", 2.0)
