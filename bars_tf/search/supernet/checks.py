"""Batches that are checked when they are read.

Keras reads them in threads and in functions of TensorFlow, whose errors name operations in place of what is wrong. On a
GPU a label that no class has is no error at all, but a loss of NaN.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from bars_tf.errors import FieldError
from bars_tf.legacy_keras import tf
from bars_tf.search.supernet import batches as forms
from bars_tf.search.supernet.batches import check_images, labels_remedy

MARK = "bars_tf"
# What Keras reads, besides arrays: all else it would refuse by its class alone.
READ = (tuple, list, Mapping, Iterator, tf.data.Dataset, tf.keras.utils.Sequence, tf.distribute.DistributedDataset,
        tf.keras.utils.experimental.DatasetCreator)
READABLE = "must be batches: bars_tf.batches and bars_tf.bilevel make them of images, tf.data of anything else"


class Checks:
    """A context that checks the batches which a supernet of this input shape and number of classes reads in it.

    `form` is what an element must be: "pairs" of batches, "batches" of images and labels, or "images" with or without
    anything else. `devices` share each pair. Raises: FieldError of the first batch that is wrong.
    """

    def __init__(self, shape: tuple[int, int, int], num_classes: int, form: str = "batches", devices: int = 1):
        self.shape, self.num_classes, self.form, self.error = shape, num_classes, form, None
        self.devices = devices if form == "pairs" else 1

    def of(self, x: Any, y: Any = None) -> Any:
        """Arrays, checked at once with their labels `y`, or beside them in a tuple, or the batches of a data set, a
        generator or a `Sequence`, checked as they are read; anything else as it is."""
        if not (isinstance(x, READ) or hasattr(x, "shape")):
            raise FieldError("batches", forms.kind_of(x), READABLE)
        if isinstance(x, tuple):
            self.of(*x[:2])
        if isinstance(x, tf.keras.utils.Sequence):
            return _CheckedSequence(x, self)
        if isinstance(x, tf.data.Dataset):
            return x.map(self._check_in_graph)
        if hasattr(x, "shape"):
            if y is None:
                check_images(x, self.shape)
            else:
                self.check((x, y))
        return map(self.check, x) if isinstance(x, Iterator) and not isinstance(x, tf.data.Iterator) else x

    def __enter__(self) -> "Checks":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and self.error:
            raise self.error from None
        if isinstance(error, StopIteration):
            raise FieldError("batches", "generator", "are none: it has ended already") from None
        found = isinstance(error, tf.errors.InvalidArgumentError) and re.search(
            rf"\[{MARK}\] \[(.*?)\] \[(.*?)\] \[(.*?)\]", str(error))
        if found:
            raise FieldError(found[1], _value(found[2]), found[3]) from None

    def check(self, element: Any) -> Any:
        """The element, in which lists of numbers are arrays. Raises: FieldError, which the context keeps."""
        try:
            if self.form == "pairs" and isinstance(element, (tuple, list)):
                element = tuple(map(_with_arrays, element))
            else:
                element = _with_arrays(element)
            for images, labels, weights in self._batches(element):
                forms.check_arrays(images, labels, self.shape, self.num_classes)
                counts = [len(array) for array in (images, labels, weights) if array is not None]
                if counts[0] == 0 or len(set(counts)) > 1:
                    raise FieldError("batch", counts, "must be equally many images and labels, one or more")
                if counts[0] % self.devices:
                    raise FieldError("batch", counts[0], self._shared())
        except FieldError as error:
            self.error = self.error or error
            raise
        return element

    def _shared(self):
        return (f"must be a multiple of the {self.devices} devices that share it; drop_remainder=True of batch leaves "
                "the rest of a data set out")

    def _batches(self, element):
        if self.form == "images":
            images = element[0] if isinstance(element, tuple) and element else element
            if not hasattr(images, "shape"):
                raise FieldError("batch", forms.kind_of(element), "must be images, or begin with them")
            return [forms.Batch(images, None)]
        return forms.halves_of(element) if self.form == "pairs" else [forms.batch_of(element)]

    @tf.autograph.experimental.do_not_convert
    def _check_in_graph(self, *element):
        asserted = []
        for images, labels, _ in self._batches(element):
            check_images(images, self.shape)
            if self.devices > 1:
                count = tf.shape(images)[0]
                asserted.append(_assert(count % self.devices == 0, "batch", tf.strings.as_string(count),
                                        self._shared()))
            rest, fits = (tf.strings.reduce_join(tf.strings.as_string(tf.shape(images)[1:]), separator=", "),
                          str(self.shape)[1:-1])
            if not images.shape[1:].is_fully_defined():
                asserted.append(_assert(rest == fits, "shape of the images", tf.strings.join(["(None, ", rest, ")"]),
                                        f"must be (B, {fits})"))
            if labels is not None:
                labels = tf.reshape(tf.cast(labels, tf.float64), [-1])
                fits = (labels >= 0) & (labels < self.num_classes) & (labels == tf.floor(labels))
                wrong = tf.strings.as_string(tf.boolean_mask(labels, ~fits)[:1], shortest=True)
                asserted.append(_assert(tf.reduce_all(fits), "labels", tf.strings.reduce_join(wrong),
                                        labels_remedy(self.num_classes)))
        with tf.control_dependencies(asserted):
            return tf.nest.map_structure(tf.identity, element)


def read_again(batches: Iterable, shape: tuple[int, int, int], num_classes: int) -> Iterable:
    """Batches (images, labels) as they were given, or of two arrays, if they can be read again and again; else raises
    FieldError."""
    if isinstance(batches, tuple) and len(batches) == 2 and all(hasattr(t, "shape") for t in batches):
        batches = tf.data.Dataset.from_tensor_slices(batches).batch(256)
    if not isinstance(batches, Iterable):
        raise FieldError("batches", forms.kind_of(batches), READABLE)
    if iter(batches) is batches:
        raise FieldError("batches", forms.kind_of(batches), "can be read once only, and every candidate reads them: "
                         "must be a tf.data.Dataset, a list or a Sequence")
    if isinstance(batches, tf.data.Dataset) and batches.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise FieldError("batches", forms.kind_of(batches), "never end: batches.take(n) does")
    batches = _CheckedIterable(batches, Checks(shape, num_classes))
    if next(iter(batches), None) is None:
        raise FieldError("batches", forms.kind_of(batches.batches), "are empty: must have one batch or more")
    return batches


def _assert(holds, field, value, remedy):
    return tf.debugging.Assert(holds, [MARK, field, value, remedy])


def _value(text):
    try:
        return ast.literal_eval(text)
    except ValueError:  # nan, inf
        return float(text)


def _with_arrays(batch):
    """A batch in which lists of numbers are arrays."""
    if not isinstance(batch, (tuple, list)):
        return batch
    try:
        return tuple(np.asarray(values) if isinstance(values, list) else values for values in batch)
    except ValueError:
        raise FieldError("batch", "lists", "must be arrays, or lists of equal lengths") from None


class _CheckedSequence(tf.keras.utils.Sequence):
    def __init__(self, batches, checks):
        self.batches, self.checks = batches, checks

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.checks.check(self.batches[index])

    def on_epoch_end(self):
        self.batches.on_epoch_end()


class _CheckedIterable:
    def __init__(self, batches, checks):
        self.batches, self.checks = batches, checks

    def __iter__(self):
        return map(self.checks.check, self.batches)
