"""What a supernet takes: batches of labelled images, and pairs of them, one for the weights and one for the alphas.

All is checked when a step is traced, because Keras and TensorFlow name what is wrong by operations of theirs.
"""

from collections.abc import Mapping, Sequence
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
        raise FieldError("batch", kind_of(data), "must be (images, labels) or (images, labels, weights)")
    batch = Batch(*data)
    _check_dtype("labels", batch.labels)
    if batch.weights is not None:
        _check_dtype("weights", batch.weights)
    shape = tf.TensorShape(batch.labels.shape)
    if shape.rank is not None and (shape.rank not in (1, 2) or shape.rank == 2 and shape[-1] not in (1, None)):
        raise FieldError("shape of the labels", tuple(shape), "must be [B], numbers of classes; " + (
            "of one-hot labels tf.argmax(labels, -1) gives them" if shape.rank else "batch(n) of a data set makes B"))
    return batch


def halves_of(data: Any, class_weights: Sequence[float] | None = None) -> tuple[Batch, Batch]:
    """The batches for the weights and for the alphas; `class_weights` multiply the weights of their images."""
    if not isinstance(data, (tuple, list)) or len(data) != 2 or any(hasattr(half, "shape") for half in data):
        raise FieldError("batch", kind_of(data), f"must be {HALVES}: bars_tf.bilevel, tf.data.Dataset.zip and fit of "
                         "two arrays make such")
    weights, alphas = map(batch_of, data)
    if class_weights is not None:
        weights, alphas = (_weighted(batch, class_weights) for batch in (weights, alphas))
    return weights, alphas


def weights_of_classes(given: Mapping[int, float] | None, num_classes: int) -> tuple[float, ...] | None:
    """The weight of each class by Keras's `class_weight`, where those that are not named have 1; None without any."""
    if given is None or isinstance(given, Mapping) and not given:
        return None
    if not isinstance(given, Mapping) or not set(given) <= set(range(num_classes)) or not all(
            isinstance(weight, (int, float, np.number)) and 0 <= weight < np.inf for weight in given.values()):
        raise FieldError("class_weight", given, f"must be a dictionary of classes 0 to {num_classes - 1} and weights "
                         "of at least 0")
    return tuple(given.get(i, 1.0) for i in range(num_classes))


def _weighted(batch, class_weights):
    weights = tf.gather(tf.constant(class_weights, tf.float32), tf.cast(tf.reshape(batch.labels, [-1]), tf.int32))
    if batch.weights is not None:
        weights *= tf.cast(tf.reshape(batch.weights, [-1]), tf.float32)
    return batch._replace(weights=weights)


def kind_of(data: Any) -> str:
    """The types in what should be a batch, for messages."""
    if isinstance(data, (tuple, list)):
        return f"({', '.join(map(kind_of, data[:3]))}{', ...' * (len(data) > 3)})"
    return "tensor" if tf.is_tensor(data) else type(data).__name__


def check_arrays(images: Any, labels: Any, shape: tuple[int, int, int], num_classes: int) -> None:
    """Raises FieldError for arrays of other images, and for labels that no class has, whose loss would be NaN on a GPU
    and an error of pages on a CPU. Anything but arrays is checked later, batch by batch."""
    if not hasattr(images, "shape"):
        return
    check_images(images, shape)
    if labels is not None:
        labels = np.asarray(batch_of((images, np.asarray(labels))).labels)
        wrong = labels[~((labels >= 0) & (labels < num_classes) & (labels == np.floor(labels)))]
        if wrong.size:
            raise FieldError("labels", wrong[0].item(), labels_remedy(num_classes))


def labels_remedy(num_classes: int) -> str:
    """What labels must be."""
    return f"must be 0 to {num_classes - 1} and whole, for num_classes={num_classes}"


def _check_dtype(name, array):
    if isinstance(array, (tf.RaggedTensor, tf.SparseTensor)):
        raise FieldError(name, type(array).__name__, "must be a dense tensor")
    try:
        dtype = tf.as_dtype(array.dtype)
    except TypeError:  # one of NumPy that TensorFlow has not, such as dates
        dtype = tf.string
    if not (dtype.is_integer or dtype.is_floating or dtype.is_bool):
        raise FieldError(f"dtype of the {name}", array.dtype.name, "must be one of numbers")


def check_images(images: Any, shape: tuple[int, int, int]) -> None:
    """Raises FieldError for all but images [B, *shape], or of a shape that is not known yet."""
    if hasattr(images, "dtype"):
        _check_dtype("images", images)
    given = tf.TensorShape(getattr(images, "shape", ()))
    if not given.is_compatible_with((None, *shape)):
        raise FieldError("shape of the images", tuple(given), f"must be (B, {', '.join(map(str, shape))}): the "
                         "supernet was made for such images")


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
    if not 0 <= validation_split < 1:
        raise FieldError("validation_split", validation_split, "must be a fraction from 0 to below 1")
    count = int(len(arrays[0]) * (1 - validation_split))
    if validation_split:
        validation_data = tuple(array[count:] for array in arrays)
    if count < 2:
        given = ("validation_split", validation_split) if validation_split else ("x", arrays[0].shape)
        raise FieldError(*given, "must leave two images or more to the search")
    if not isinstance(batch_size, (int, np.integer)):
        raise FieldError("batch_size", batch_size, "must be an integer")
    if batch_size % (devices := supernet.distribute_strategy.num_replicas_in_sync):
        raise FieldError("batch_size", batch_size, f"must be a multiple of the {devices} devices that share it")
    order = np.random.default_rng(supernet.seed).permutation(count)
    if not 1 <= batch_size <= count // 2:
        raise FieldError("batch_size", batch_size, f"must be 1 to {count // 2}, half of the {count} images")

    def half(chosen):
        data = tf.data.Dataset.from_tensor_slices(tuple(array[chosen] for array in arrays))
        return (data.shuffle(count, supernet.seed) if shuffle else data).batch(batch_size, drop_remainder=True)

    pairs = tf.data.Dataset.zip((half(order[::2]), half(order[1::2])))
    return pairs, {**options, "validation_data": validation_data}
