"""Schedules at their ends and between."""

import pytest

from bars_tf.training.schedules import WarmupCosine, geometric, linear


def test_schedules_of_progress():
    assert [linear(2, 4)(progress) for progress in (0, 0.5, 1)] == [2, 3, 4]
    assert [geometric(4, 1)(progress) for progress in (0, 0.5, 1)] == [4, 2, 1]


def test_the_learning_rate_rises_then_falls_to_zero():
    schedule = WarmupCosine(0.8, total_steps=12, warmup_steps=4)
    rates = [float(schedule(step)) for step in (0, 1, 3, 4, 8, 12, 20)]
    assert rates == pytest.approx([0.2, 0.4, 0.8, 0.8, 0.4, 0, 0], abs=1e-7)
    assert WarmupCosine.from_config(schedule.get_config()).get_config() == schedule.get_config()
    assert float(WarmupCosine(0.5, 10)(0)) == 0.5
