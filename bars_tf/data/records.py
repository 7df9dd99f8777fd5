"""Records of a prepared TFDS data set as uint8 images, and a plain word on what is wrong with them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from bars_tf.data.tfds import tfds
from bars_tf.errors import one_line
from bars_tf.legacy_keras import tf

MEMORY_LIMIT = 2 * 10**9  # bytes: decoded images of a split are kept in memory up to here
SHUFFLE_RECORDS = 4096  # shuffled at a time where images do not fit in memory (about 450 MB of ImageNet)
SAMPLE = 2048  # images that mean and deviation of an unknown data set are computed from


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """One split of a prepared data set: images as uint8 of one shape, in memory where they fit.

    Args:
        builder: of TFDS.
        split: name or slice of the split.
        keys: of image and label.
        shape: (height, width, channels) that images are brought to.
        resize: scale images to cover `shape` and take the middle; otherwise another size is an error.
    """

    builder: Any
    split: str
    keys: tuple[str, str]
    shape: tuple[int, int, int]
    resize: bool

    def __len__(self) -> int:
        return self.builder.info.splits[self.split].num_examples

    @property
    def name(self) -> str:
        """Name of the data set, without version and configuration."""
        return self.builder.name

    @property
    def full_name(self) -> str:
        """Says which images these are: name, configuration and version of the data set, and the split."""
        return f"{self.builder.info.full_name}:{self.split}"

    @property
    def origin(self) -> tuple[str, str]:
        """The flag that chose the data set, and its value: for messages."""
        return "dataset", self.name

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.builder.info.features[self.keys[1]].names)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @functools.cached_property
    def encoded(self) -> tf.data.Dataset:
        """(file content of an image, int64 label) of every record, always in the order of the files."""
        image, label = self.keys
        config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        dataset = self.builder.as_dataset(
            self.split, decoders={image: tfds.decode.SkipDecoding()}, read_config=config, shuffle_files=False
        )
        return dataset.map(lambda example: (example[image], example[label]))

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """A uint8 image of `shape` from the content of an image file, a scalar string."""
        return self.fit(tf.io.decode_image(encoded, channels=self.shape[2], expand_animations=False))

    def fit(self, image: tf.Tensor) -> tf.Tensor:
        """A uint8 image of any size as one of `shape`."""
        if self.resize:
            image = tf.ensure_shape(image, [None, None, self.shape[2]])
            size, target = tf.cast(tf.shape(image)[:2], tf.float32), tf.constant(self.shape[:2], tf.float32)
            covering = tf.cast(tf.math.ceil(size * tf.reduce_max(target / size) - 1e-3), tf.int32)
            image = tf.image.resize(image, covering, antialias=True)
            image = tf.image.resize_with_crop_or_pad(image, *self.shape[:2])
            image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
        return tf.ensure_shape(image, self.shape)

    def _checked(self, label: tf.Tensor) -> tf.Tensor:
        message = f"label out of range 0 to {self.num_classes - 1}"
        good = tf.reduce_all((label >= 0) & (label < self.num_classes))
        with tf.control_dependencies([tf.debugging.Assert(good, [message, label])]):
            return tf.cast(label, tf.int32)

    def decoded(self) -> tf.data.Dataset:
        """(uint8 image, int32 label) of every record, in the order of the files."""
        return self.encoded.map(
            lambda encoded, label: (self.decode(encoded), self._checked(label)), num_parallel_calls=tf.data.AUTOTUNE
        )

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each channel in units of 255, from the first images: a sample, as TFDS shuffles when it
        writes.

        Raises:
            ValueError: a record is damaged.
        """
        try:
            sample = np.stack([image for image, _ in self.decoded().take(SAMPLE).as_numpy_iterator()]) / 255.0
        except tf.errors.OpError as error:
            raise self.explain(error) from None
        mean, std = sample.mean(axis=(0, 1, 2)), sample.std(axis=(0, 1, 2))
        return tuple(map(float, mean)), tuple(map(float, np.maximum(std, 1 / 255)))

    @functools.cached_property
    def in_memory(self) -> tuple[tf.Tensor, tf.Tensor] | None:
        """uint8 images [N, H, W, C] and int32 labels [N], or None where they need more than `MEMORY_LIMIT`.

        Raises:
            ValueError: a record is damaged, has a label out of range or an image of another size.
        """
        if len(self) * int(np.prod(self.shape)) > MEMORY_LIMIT:
            return None
        try:
            parts = list(self.decoded().batch(1024).prefetch(1))
        except tf.errors.OpError as error:
            raise self.explain(error) from None
        with tf.device("cpu:0"):
            images, labels = (tf.concat(tensors, axis=0) for tensors in zip(*parts, strict=True))
        if len(labels) != len(self):
            raise self.explain(ValueError(f"{len(labels)} records found, {len(self)} expected"))
        return images, labels

    def pick(self, indices: np.ndarray, key: tf.Tensor | None = None) -> tf.data.Dataset:
        """What `fetch` needs for the images at these positions, in order or shuffled by `key`, a seed [2]."""
        if self.in_memory is not None:
            order = tf.constant(indices)
            if key is not None:
                order = tf.random.experimental.stateless_shuffle(order, key)
            return tf.data.Dataset.from_tensor_slices((order,))
        wanted = np.zeros(len(self), bool)
        wanted[indices] = True
        wanted = tf.constant(wanted)
        chosen = self.encoded.enumerate().filter(lambda i, _: wanted[i]).map(lambda _, record: record)
        if key is None:
            return chosen
        # Else the order would follow the global seed too; and a global seed of 0 beside a tensor is an error.
        tf.compat.v1.get_default_graph().seed = None
        return chosen.shuffle(SHUFFLE_RECORDS, seed=key[0])

    def fetch(self, *picked: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """uint8 images [B, H, W, C] and int32 labels [B] of a batch of what `pick` gave."""
        if self.in_memory is not None:
            images, labels = self.in_memory
            return tf.gather(images, picked[0]), tf.gather(labels, picked[0])
        encoded, labels = picked
        images = tf.map_fn(self.decode, encoded, fn_output_signature=tf.TensorSpec(self.shape, tf.uint8))
        return images, self._checked(labels)

    def explain(self, error: Exception) -> ValueError:
        """A one-line error that names file and record, for one that came up while this split was read."""
        features, (image, label) = self.builder.info.features, self.keys

        def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            example = features.deserialize_example(record, decoders={image: tfds.decode.SkipDecoding()})
            return self.decode(example[image]), example[label]

        what = f"data set {self.builder.info.full_name}"
        for part in self.builder.info.splits[self.split].file_instructions:
            count = 0
            try:
                for _, found in tf.data.TFRecordDataset(part.filename).map(parse, tf.data.AUTOTUNE):
                    if not 0 <= found < self.num_classes:
                        found = f"label {int(found)}, where 0 to {self.num_classes - 1} are allowed"
                        return ValueError(f"{what}: record {count} of {part.filename} has {found}")
                    count += 1
            except tf.errors.OpError as cause:
                return ValueError(f"{what}: record {count} of {part.filename} is damaged: {one_line(cause)}")
            if count != part.examples_in_shard:
                return ValueError(f"{what}: {part.filename} has {count} of {part.examples_in_shard} records")
        return ValueError(f"{what}, split {self.split}, can't be read: {one_line(error)}")


class OwnRecords(Records):
    """Images of a user's own, which are known by a digest of them. Those that follow have `names` of classes and a
    `digest`."""

    @property
    def full_name(self) -> str:
        return f"{self.name}/{self.digest[:16]}:{self.split}"

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.names
