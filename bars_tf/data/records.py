"""Records of a split as uint8 images, in memory or streamed, and the diagnosis of damaged ones."""

import dataclasses
import functools
from typing import Any

import numpy as np

from bars_tf.data.tfds import tfds
from bars_tf.errors import one_line
from bars_tf.legacy_keras import tf

MEMORY_LIMIT = 2 * 10**9  # bytes; a split with more decoded images than this is streamed
SHUFFLE_BUFFER = 4096  # records, where images are streamed (about 450 MB of ImageNet)
MAX_ASPECT = 16  # ratio of the sides of an image, beyond which its ends are cut off before it is resized
SAMPLE = 2048  # images from which the statistics of an unknown data set are computed


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """One split of a prepared TFDS data set: uint8 images of one shape, in memory if they fit.

    Attributes:
        builder: builder of TFDS.
        split: name or slice of the split.
        keys: names of the features image and label.
        shape: (height, width, channels) of the decoded images.
        resizes: whether images are scaled to cover `shape` and cropped at the centre; otherwise an image of another
            size is an error.
    """

    builder: Any
    split: str
    keys: tuple[str, str]
    shape: tuple[int, int, int]
    resizes: bool

    def __len__(self) -> int:
        return self.builder.info.splits[self.split].num_examples

    @property
    def name(self) -> str:
        """Name of the data set, without version and configuration."""
        return self.builder.name

    @property
    def full_name(self) -> str:
        """Name, configuration and version of the data set, and the split."""
        return f"{self.builder.info.full_name}:{self.split}"

    @property
    def origin(self) -> tuple[str, str]:
        """The flag that selects the data set, and its value, for messages."""
        return "dataset", self.name

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.builder.info.features[self.keys[1]].names)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @functools.cached_property
    def encoded(self) -> tf.data.Dataset:
        """(content of an image file, int64 label) of every record, in the order of the files."""
        image, label = self.keys
        config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        dataset = self.builder.as_dataset(self.split, decoders={image: tfds.decode.SkipDecoding()},
                                          read_config=config, shuffle_files=False)
        return dataset.map(lambda example: (example[image], example[label]))

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """Decodes the content of an image file, a scalar string, to a uint8 image of `shape`."""
        return self.resize(tf.io.decode_image(encoded, channels=self.shape[2], expand_animations=False))

    def resize(self, image: tf.Tensor) -> tf.Tensor:
        """Brings a uint8 image to `shape`."""
        if self.resizes:
            image = self._without_far_ends(tf.ensure_shape(image, [None, None, self.shape[2]]))
            size, target = tf.cast(tf.shape(image)[:2], tf.float32), tf.constant(self.shape[:2], tf.float32)
            covering = tf.cast(tf.math.ceil(size * tf.reduce_max(target / size) - 1e-3), tf.int32)
            image = tf.image.resize(image, covering, antialias=True)
            image = tf.image.resize_with_crop_or_pad(image, *self.shape[:2])
            image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
        return tf.ensure_shape(image, self.shape)

    def _without_far_ends(self, image: tf.Tensor) -> tf.Tensor:
        """Crops an image that is far longer than wide: to enlarge what is cropped later could need gigabytes."""
        sides = tf.shape(image)[:2]
        kept = tf.minimum(sides, MAX_ASPECT * tf.reduce_min(sides))
        return tf.slice(image, tf.pad((sides - kept) // 2, [[0, 1]]), tf.concat([kept, [self.shape[2]]], 0))

    def _checked(self, label: tf.Tensor) -> tf.Tensor:
        message = f"label out of range 0 to {self.num_classes - 1}"
        valid = tf.reduce_all((label >= 0) & (label < self.num_classes))
        with tf.control_dependencies([tf.debugging.Assert(valid, [message, label])]):
            return tf.cast(label, tf.int32)

    def decoded(self) -> tf.data.Dataset:
        """(uint8 image, int32 label) of every record, in the order of the files."""
        return self.encoded.map(
            lambda encoded, label: (self.decode(encoded), self._checked(label)), num_parallel_calls=tf.data.AUTOTUNE
        )

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel as fractions of 255, from the first `SAMPLE` images.

        TFDS shuffles images when it writes them, so the first ones are a random sample.

        Raises: ValueError: a record is damaged.
        """
        try:
            sample = np.stack([image for image, _ in self.decoded().take(SAMPLE).as_numpy_iterator()]) / 255.0
        except tf.errors.OpError as error:
            raise self.diagnose(error) from None
        mean, std = sample.mean(axis=(0, 1, 2)), sample.std(axis=(0, 1, 2))
        return tuple(map(float, mean)), tuple(map(float, np.maximum(std, 1 / 255)))

    @functools.cached_property
    def in_memory(self) -> tuple[tf.Tensor, tf.Tensor] | None:
        """uint8 images [N, H, W, C] and int32 labels [N], or None if they need more than `MEMORY_LIMIT`.

        Raises: ValueError: a record is damaged, has a label out of range or an image of another size.
        """
        if len(self) * int(np.prod(self.shape)) > MEMORY_LIMIT:
            return None
        try:
            batches = list(self.decoded().batch(1024).prefetch(1))
        except tf.errors.OpError as error:
            raise self.diagnose(error) from None
        with tf.device("cpu:0"):
            images, labels = (tf.concat(tensors, axis=0) for tensors in zip(*batches, strict=True))
        if len(labels) != len(self):
            raise self.diagnose(ValueError(f"{len(labels)} records found, {len(self)} expected"))
        return images, labels

    def read_labels(self) -> np.ndarray:
        """The labels of all records, in the order of the files. Raises: ValueError: a record is damaged."""
        if self.in_memory is not None:
            return self.in_memory[1].numpy()
        try:
            return np.array([label for _, label in self.encoded.as_numpy_iterator()])
        except tf.errors.OpError as error:
            raise self.diagnose(error) from None

    def select(self, indices: np.ndarray, key: tf.Tensor | None = None) -> tf.data.Dataset:
        """The inputs of `fetch` for the images at these positions, in order or shuffled by `key`, a seed [2]."""
        if self.in_memory is not None:
            order = tf.constant(indices)
            if key is not None:
                order = tf.random.experimental.stateless_shuffle(order, key)
            return tf.data.Dataset.from_tensor_slices((order,))
        mask = np.zeros(len(self), bool)
        mask[indices] = True
        mask = tf.constant(mask)
        selected = self.encoded.enumerate().filter(lambda i, _: mask[i]).map(lambda _, record: record)
        if key is None:
            return selected
        # Otherwise the order would depend on the global seed too, and a global seed of 0 beside a tensor is an error.
        tf.compat.v1.get_default_graph().seed = None
        return selected.shuffle(SHUFFLE_BUFFER, seed=key[0])

    def fetch(self, *selected: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """uint8 images [B, H, W, C] and int32 labels [B] of a batch of elements of `select`."""
        if self.in_memory is not None:
            images, labels = self.in_memory
            return tf.gather(images, selected[0]), tf.gather(labels, selected[0])
        encoded, labels = selected
        images = tf.map_fn(self.decode, encoded, fn_output_signature=tf.TensorSpec(self.shape, tf.uint8))
        return images, self._checked(labels)

    def diagnose(self, error: Exception) -> ValueError:
        """Returns a one-line error that names file and record, for an error that occurred while the split was read."""
        features, (image, label) = self.builder.info.features, self.keys

        def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            example = features.deserialize_example(record, decoders={image: tfds.decode.SkipDecoding()})
            return self.decode(example[image]), example[label]

        name = f"data set {self.builder.info.full_name}"
        for shard in self.builder.info.splits[self.split].file_instructions:
            count = 0
            try:
                for _, found in tf.data.TFRecordDataset(shard.filename).map(parse, tf.data.AUTOTUNE):
                    if not 0 <= found < self.num_classes:
                        found = f"label {int(found)}, where 0 to {self.num_classes - 1} are allowed"
                        return ValueError(f"{name}: record {count} of {shard.filename} has {found}")
                    count += 1
            except tf.errors.OpError as cause:
                return ValueError(f"{name}: record {count} of {shard.filename} is damaged: {one_line(cause)}")
            if count != shard.examples_in_shard:
                return ValueError(f"{name}: {shard.filename} has {count} of {shard.examples_in_shard} records")
        return ValueError(f"{name}, split {self.split}, can't be read: {one_line(error)}")


class UserRecords(Records):
    """Images of the user, identified by a digest.

    Subclasses have the fields `names`, of the classes, and `digest`; their `builder` is None. They define `name`,
    `__len__`, `encoded` and `diagnose`; `origin`, if a flag of their own selects them; `decode`, if `encoded` has
    something else than the contents of files.
    """

    @property
    def full_name(self) -> str:
        return f"{self.name}/{self.digest[:16]}:{self.split}"

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.names
