import pickle

import pytest

from bars_tf.errors import FieldError, InputError, as_text, blame, blame_field, one_line


def test_errors_carry_their_parts():
    error = FieldError("width_choices", (0.3, 1.0), "must be even")
    assert str(error) == "width_choices=(0.3, 1.0): must be even" and isinstance(error, ValueError)
    with pytest.raises(InputError, match="^--width_choices=0.3,1: must be even$") as found, blame_field():
        raise error
    for copy in (found.value, pickle.loads(pickle.dumps(found.value))):
        assert (copy.flag, copy.value, copy.remedy) == ("width_choices", (0.3, 1.0), "must be even")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("error, message", [
    (ValueError("too old"), "--model=m.h5: too old"),
    (ValueError("m.h5: too old"), "--model=m.h5: too old"),
    (FieldError("layout", "NX", "must be of N and R"), "--model=m.h5: layout='NX': must be of N and R"),
    (OSError(2, "No such file", "m.h5"), "--model=m.h5: No such file"),
    (OSError(2, "No such file", "/x"), "--model=m.h5: No such file (/x)"),
    (InputError.of("seed", 1.0, "no"), "--seed=1: no"),
])
def test_blame_names_the_flag(error, message):
    with pytest.raises(InputError) as found, blame("model", "m.h5"):
        raise error
    assert str(found.value) == message


@pytest.mark.parametrize("value, text", [
    (True, "true"), ((0.5, 1.0), "0.5,1"), (250_000.0, "250000"), (1e15, "1000000000000000.0"), (1e-3, "0.001"),
    (None, "None"), ("x", "x"), (float("inf"), "inf")])
def test_values_as_text(value, text):
    assert as_text(value) == text


def test_one_line_of_an_error():
    assert one_line(ValueError("\n{{node x}} wrong shape [Op:Conv2D]:\n\nstack")) == "wrong shape"
    assert one_line(KeyError()) == "KeyError" and len(one_line(ValueError("x" * 900))) == 200
