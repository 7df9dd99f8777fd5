"""What a supernet takes: batches of labelled images, and pairs of them, one for the weights and one for the alphas.

All is checked when a step is traced, because Keras and TensorFlow name what is wrong by operations of theirs.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bars_tf.errors import FieldError
from bars_tf.legacy_keras import tf

HALVES = "((images, labels), (images, labels)), of different images for the weights and for the alphas"


class Batch(NamedTuple):
    """Images [B, height, width, channels], numbers of their classes [B] or [B, 1], and their weights [B] in the loss;
    None: 1."""

    images: tf.Tensor
    labels: tf.Tensor
    weights: tf.Tensor | None = None


def batch_of(data: Any) -> Batch:
    """The batch in what Keras hands to a step. Raises FieldError for other data, such as labels that are one-hot."""
    if not isinstance(data, (tuple, list)) or not 2 <= len(data) <= 3 or not all(hasattr(t, "shape") for t in data):
        raise FieldError("batch", _kind(data), "must be (images, labels) or (images, labels, weights)")
    batch = Batch(*data)
    shape = tf.TensorShape(batch.labels.shape)
    if shape.rank is not None and (shape.rank > 2 or shape.rank == 2 and shape[-1] not in (1, None)):
        raise FieldError("shape of the labels", tuple(shape), "must be [B], numbers of classes; of one-hot labels "
                         "tf.argmax(labels, -1) gives them")
    return batch


def halves_of(data: Any, class_weights: Sequence[float] | None = None) -> tuple[Batch, Batch]:
    """The batches for the weights and for the alphas; `class_weights` multiply the weights of their images."""
    if not isinstance(data, (tuple, list)) or len(data) != 2 or any(hasattr(half, "shape") for half in data):
        raise FieldError("batch", _kind(data), f"must be {HALVES}: bars_tf.bilevel, tf.data.Dataset.zip and fit of two "
                         "arrays make such")
    weights, alphas = map(batch_of, data)
    if class_weights is not None:
        weights, alphas = (_weighted(batch, class_weights) for batch in (weights, alphas))
    return weights, alphas


def _weighted(batch, class_weights):
    weights = tf.gather(tf.constant(class_weights, tf.float32), tf.cast(tf.reshape(batch.labels, [-1]), tf.int32))
    if batch.weights is not None:
        weights *= tf.cast(tf.reshape(batch.weights, [-1]), tf.float32)
    return batch._replace(weights=weights)


def _kind(data):
    if isinstance(data, (tuple, list)):
        return f"({', '.join(map(_kind, data))})"
    return "tensor" if tf.is_tensor(data) else type(data).__name__


def check_arrays(images: Any, labels: Any, shape: tuple[int, int, int], num_classes: int) -> None:
    """Raises FieldError for arrays of other images, and for labels that no class has, whose loss would be NaN on a GPU
    and an error of pages on a CPU. Anything but arrays is checked later, batch by batch."""
    if not hasattr(images, "shape"):
        return
    check_images(images, shape)
    if labels is not None:
        labels = batch_of((images, np.asarray(labels))).labels
        if labels.dtype.kind not in "iufb":
            raise FieldError("dtype of the labels", labels.dtype.name, "must be a number: that of the class")
        least, most = np.min(labels, initial=0), np.max(labels, initial=0)
        if least < 0 or most >= num_classes:
            raise FieldError("labels", int(least if least < 0 else most), f"must be 0 to {num_classes - 1}, of "
                             f"num_classes={num_classes}")


def check_images(images: Any, shape: tuple[int, int, int]) -> None:
    """Raises FieldError for all but images [B, *shape], or of a shape that is not known yet."""
    given = tf.TensorShape(getattr(images, "shape", ()))
    if not given.is_compatible_with((None, *shape)):
        raise FieldError("shape of the images", tuple(given), f"must be (B, {', '.join(map(str, shape))}): the "
                         "supernet was made for such images")


def read_again(batches: Iterable, shape: tuple[int, int, int], num_classes: int) -> Iterable:
    """Batches (images, labels) as they were given, or of two arrays, if they can be read again and again; else raises
    FieldError."""
    if isinstance(batches, tuple) and len(batches) == 2 and all(hasattr(t, "shape") for t in batches):
        batches = tf.data.Dataset.from_tensor_slices(batches).batch(256)
    if not isinstance(batches, Iterable) or iter(batches) is batches:
        raise FieldError("batches", _kind(batches), "can be read once only, and every candidate reads them: must be a "
                         "tf.data.Dataset, a list or a Sequence")
    if isinstance(batches, tf.data.Dataset) and batches.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise FieldError("batches", _kind(batches), "never end: batches.take(n) does")
    first = next(iter(batches), None)
    if first is None:
        raise FieldError("batches", _kind(batches), "are empty: must have one batch or more")
    check_arrays(*batch_of(first)[:2], shape, num_classes)
    return batches


def halves_of_arrays(images: Any, labels: Any, batch_size: int, supernet: Any, *, sample_weight: Any = None,
                     validation_split: float = 0.0, validation_data: Any = None, shuffle: bool = True,
                     **options: Any) -> tuple[tf.data.Dataset, dict[str, Any]]:
    """Batches from arrays for the search of a `supernet`, and the remaining options of `fit`.

    As in Keras, `validation_split` sets the last images apart. Every second one of the others, in an order by the seed,
    trains the alphas, the same in every epoch and every `fit`; incomplete batches are left out.
    """
    arrays = [np.asarray(array) for array in (images, labels, sample_weight) if array is not None]
    check_arrays(*arrays[:2], supernet.image_shape, supernet.num_classes)
    if len({array.shape[:1] for array in arrays}) != 1:
        raise FieldError("x, y", [array.shape for array in arrays], "must be arrays of equally many images and labels")
    count = int(len(arrays[0]) * (1 - validation_split))
    if validation_split:
        validation_data = tuple(array[count:] for array in arrays)
    order = np.random.default_rng(supernet.seed).permutation(count)
    if not 1 <= batch_size <= count // 2:
        raise FieldError("batch_size", batch_size, f"must be 1 to {count // 2}, half of the {count} images")

    def half(chosen):
        data = tf.data.Dataset.from_tensor_slices(tuple(array[chosen] for array in arrays))
        return (data.shuffle(count, supernet.seed) if shuffle else data).batch(batch_size, drop_remainder=True)

    pairs = tf.data.Dataset.zip((half(order[::2]), half(order[1::2])))
    return pairs, {**options, "validation_data": validation_data}
