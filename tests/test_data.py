import io
import pathlib
import time

import numpy as np
import pytest

import bars_tf as bars
from bars_tf.data import records
from bars_tf.data.augmentation import Augmentation, cutout, normalise, prepare_for_training, random_crop_and_flip
from bars_tf.data.tfds import tfds
from bars_tf.legacy_keras import tf

data = bars.data


@pytest.fixture(scope="module")
def small():
    return data.load("fashion_mnist_small")


def write(directory, images, labels=None, *, name="tiny", shape=None, classes=3, splits=("train", "test"),
          features=None):
    """Prepares a TFDS set of these images, the same in each split; `labels` by split where they are to be special."""
    def examples(split):
        chosen = (labels or {}).get(split, np.arange(len(images)) % classes)
        for i, (image, label) in enumerate(zip(images, chosen, strict=True)):
            content = io.BytesIO(tf.io.encode_png(image).numpy())
            yield i, {"image": content, "label": label} if features is None else {"x": 1}

    shape = images[0].shape if shape is None else shape
    label = tfds.features.ClassLabel(num_classes=classes)
    label.encode_example = int  # the check of the range is left out, to write damaged sets
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=features or tfds.features.FeaturesDict({"image": tfds.features.Image(shape=shape), "label": label}),
        split_datasets={split: examples(split) for split in splits},
        data_dir=str(directory),
        disable_shuffling=True,
    )
    return pathlib.Path(directory) / name / "1.0.0"


def images(count, *shape):
    return np.random.RandomState(0).randint(0, 256, (count, *shape), np.uint8)


def take(dataset, count):
    return [tf.nest.map_structure(lambda tensor: tensor.numpy(), element) for element in dataset.take(count)]


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True))


def test_embedded_set_is_balanced_and_small(small):
    train, test = small
    assert (train.num_images, test.num_images, train.num_classes) == (7000, 2000, 10)
    assert train.image_shape == (28, 28, 1)
    assert "Trouser" in train.class_names
    for part in small:
        assert np.ptp(np.bincount(part.records.in_memory[1])) == 0
    directory = pathlib.Path(data.__file__).parent / "datasets" / "fashion_mnist_small"
    assert sum(file.stat().st_size for file in directory.rglob("*")) < 5e6
    assert "Zalando" in (directory / "LICENSE").read_text()


def test_known_statistics_fit(small):
    mean, std = small[0].records.statistics()
    np.testing.assert_allclose(mean, small[0].mean, atol=0.01)
    np.testing.assert_allclose(std, small[0].std, atol=0.01)


def test_parts_are_disjoint_and_together_whole(small):
    train, _ = small
    parts = train.split(3, (0.5, 0.4, 0.1))
    assert [part.num_images for part in parts] == [3500, 2800, 700]
    assert np.array_equal(np.sort(np.concatenate([part.indices for part in parts])), train.indices)
    again, other = train.split(3, (0.5, 0.4, 0.1)), train.split(4, (0.5, 0.4, 0.1))
    assert [part.sha256 for part in again] == [part.sha256 for part in parts]
    assert not {part.sha256 for part in other} & {part.sha256 for part in parts}
    assert len(parts[0].sha256) == 64
    with pytest.raises(ValueError, match="sum to 1"):
        train.split(0, (0.5, 0.6))
    with pytest.raises(ValueError, match="too few"):
        parts[2].split(0, (0.9999, 0.0001))


def test_bilevel_takes_each_half_from_its_part(tmp_path):
    pictures = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None, None], (40, 8, 8, 1))  # its own number
    write(tmp_path, list(pictures))
    train, _ = data.load("tiny", tmp_path)
    dataset = data.bilevel(train, 5, seed=1, augment=None)
    assert int(dataset.cardinality()) == 4
    seen = [[np.rint((x[:, 0, 0, 0] * train.std + train.mean) * 255).astype(int) for x, _ in pair] for pair in
            take(dataset, -1)]
    weights, alphas = (np.sort(np.concatenate(half)) for half in zip(*seen, strict=True))
    expected = train.split(1, (0.5, 0.5))
    assert np.array_equal(weights, expected[0].indices)
    assert np.array_equal(alphas, expected[1].indices)


def test_parts_of_different_size_give_pairs_of_the_smaller(small):
    dataset = data.bilevel(small[0].split(0, (0.7, 0.2)), 100)
    assert int(dataset.cardinality()) == 14 == data.steps_per_epoch(100, *small[0].split(0, (0.7, 0.2)))
    assert len(take(dataset, -1)) == 14


@pytest.mark.parametrize("streamed", [False, True])
def test_seed_and_start_epoch_decide_the_batches(tmp_path, monkeypatch, streamed):
    if streamed:
        monkeypatch.setattr(records, "MEMORY_LIMIT", 0)
    write(tmp_path, images(140, 8, 8, 3))
    train, _ = data.load("tiny", tmp_path)  # 3 pairs of batches of 20 an epoch
    run = take(data.bilevel(train, 20, seed=5, start_epoch=0), 9)
    assert equal(take(data.bilevel(train, 20, seed=5, start_epoch=0), 9), run)
    assert equal(take(data.bilevel(train, 20, seed=5, start_epoch=2), 3), run[6:])
    assert not equal(run[:3], run[3:6])
    assert not equal(take(data.bilevel(train, 20, seed=6, start_epoch=0), 9), run)
    single = take(data.batches(train, 50, training=True, seed=5, start_epoch=0), 4)
    assert equal(take(data.batches(train, 50, training=True, seed=5, start_epoch=1), 2), single[2:])


def test_images_that_stream_are_those_in_memory(small, monkeypatch):
    monkeypatch.setattr(records, "MEMORY_LIMIT", 0)
    streamed = data.load("fashion_mnist_small")[1]
    assert streamed.records.in_memory is None
    assert equal(take(data.batches(streamed, 300), -1), take(data.batches(small[1], 300), -1))
    part = data.load("fashion_mnist_small")[0].split(0, (0.01,))[0]
    order = np.sort(np.concatenate([y for _, y in take(data.batches(part, 7, training=True), -1)]))
    assert np.array_equal(order, np.sort(small[0].records.in_memory[1].numpy()[part.indices]))


def test_epochs_without_a_number_differ_and_have_a_length(small):
    dataset = data.batches(small[0], 1000, training=True)
    first, second = take(dataset, -1), take(dataset, -1)
    assert len(first) == len(second) == int(dataset.cardinality()) == 7
    assert not equal(first, second)
    evaluation = data.batches(small[1], 300)
    assert [len(y) for _, y in take(evaluation, -1)] == [300] * 6 + [200]
    assert equal(take(evaluation, 1), take(evaluation, 1))


def test_fit_as_in_a_notebook(small):
    model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(10)])
    model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    history = model.fit(data.batches(small[0], 64, training=True), epochs=2, verbose=0)
    assert history.params["steps"] == 109
    assert model.evaluate(data.batches(small[1], 300), verbose=0)[1] > 0.6


@pytest.mark.parametrize("shape", [(8, 8, 3), (13, 17, 1), (31, 31, 3), (96, 64, 3)])
def test_sizes_and_channels(tmp_path, shape):
    write(tmp_path, images(12, *shape))
    train, test = data.load("tiny", tmp_path)
    assert train.image_shape == shape
    (x, y), = take(data.batches(train, 12, training=True), 1)
    assert (x.shape, x.dtype, y.dtype) == ((12, *shape), np.float32, np.int32)
    (x, y), = take(data.batches(test, 20), 1)
    pixels = (x * np.array(train.std) + np.array(train.mean)) * 255
    np.testing.assert_allclose(pixels, images(12, *shape), atol=1e-2)
    assert y.tolist() == [0, 1, 2] * 4
    assert abs(x.mean()) < 1e-3
    assert abs(x.std() - 1) < 1e-2


def test_varying_sizes_need_a_size(tmp_path):
    shapes = [(20, 30, 3), (40, 24, 3), (9, 9, 3), (64, 64, 3)]
    write(tmp_path, [images(1, *shape)[0] for shape in shapes], shape=(None, None, 3))
    with pytest.raises(ValueError, match="vary in size"):
        data.load("tiny", tmp_path)
    train, test = data.load("tiny", tmp_path, image_size=24)
    assert take(data.batches(train, 4, training=True), 1)[0][0].shape == (4, 24, 24, 3)
    assert take(data.batches(test, 4), 1)[0][0].shape == (4, 24, 24, 3)
    assert train.default_augmentation.crop_padding == 0


def test_another_size_on_demand(small):
    train, _ = data.load("fashion_mnist_small", image_size=14)
    assert take(data.batches(train, 4, training=True), 1)[0][0].shape == (4, 14, 14, 1)
    with pytest.raises(ValueError, match="8 pixels"):
        data.load("fashion_mnist_small", image_size=4)


def test_crop_and_flip_only_move_pixels():
    picture = images(1, 9, 7, 3)
    batch = np.repeat(picture, 1000, axis=0)
    key = tf.constant([1, 2], tf.int64)
    padded = np.pad(picture[0], ((2, 2), (2, 2), (0, 0)))
    crops = [padded[y : y + 9, x : x + 7] for y in range(5) for x in range(5)]
    possible = {crop.tobytes() for crop in crops} | {crop[:, ::-1].tobytes() for crop in crops}
    changed = random_crop_and_flip(tf.constant(batch), (9, 7), Augmentation(2, flip=True), key).numpy()
    assert {image.tobytes() for image in changed} <= possible
    assert len({image.tobytes() for image in changed}) == 50  # every one of them among 1,000
    unflipped = random_crop_and_flip(tf.constant(batch), (9, 7), Augmentation(), key)
    assert np.array_equal(unflipped, batch)
    with pytest.raises(ValueError, match="crop_padding"):
        Augmentation(crop_padding=-1)


def test_augmentation_depends_on_the_key_alone():
    batch = tf.constant(images(6, 12, 12, 3))
    settings = ((12, 12), (0.5,) * 3, (0.2,) * 3, Augmentation(3, flip=True, cutout=4))
    first, again = (prepare_for_training(batch, *settings, tf.constant([7, 8], tf.int64)) for _ in range(2))
    other = prepare_for_training(batch, *settings, tf.constant([7, 9], tf.int64))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_cutout_is_one_square():
    holes = cutout(tf.ones((300, 10, 14, 2)), 4, tf.constant([0, 1], tf.int64)).numpy() == 0
    assert np.array_equal(holes[..., 0], holes[..., 1])
    rows, columns = holes[..., 0].any(axis=2).sum(axis=1), holes[..., 0].any(axis=1).sum(axis=1)
    assert np.array_equal(holes[..., 0].sum(axis=(1, 2)), rows * columns)
    assert (rows.max(), columns.max()) == (4, 4)
    assert min(rows.min(), columns.min()) == 2  # at most half of it is beyond the border


def test_normalisation_is_per_channel():
    batch = np.zeros((1, 1, 2, 3), np.uint8)
    batch[0, 0, 1] = 255
    result = normalise(tf.constant(batch), (0.5, 0.25, 0.0), (0.5, 0.25, 1.0)).numpy()
    np.testing.assert_allclose(result[0, 0], [[-1, -1, 0], [1, 3, 1]], atol=1e-6)


def test_test_images_where_there_is_no_split_for_them(tmp_path):
    write(tmp_path, images(20, 8, 8, 1), splits=("train",), name="only_train")
    train, test = data.load("only_train", tmp_path)
    assert (train.num_images, test.num_images) == (16, 4)
    write(tmp_path, images(6, 8, 8, 1), splits=("train", "validation"), name="with_validation")
    assert data.load("with_validation", tmp_path)[1].records.split == "validation"
    write(tmp_path, images(6, 8, 8, 1), {"test": [-1] * 6}, splits=("test", "train", "validation"), name="secret")
    assert data.load("secret", tmp_path)[1].records.split == "validation"
    write(tmp_path, images(6, 8, 8, 1), splits=("test",), name="no_train")
    with pytest.raises(ValueError, match="no split train"):
        data.load("no_train", tmp_path)


def test_missing_set_says_so_at_once(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"'mnist' is not in .*no network.*--data_dir") as caught:
        data.load("mnist", tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"unknown.*did you mean cifar10 "):
        data.load("cifra10", tmp_path)
    with pytest.raises(ValueError, match="Not A Name"):
        data.load("Not A Name", tmp_path)
    assert time.monotonic() - start < 10


def test_set_of_another_kind(tmp_path):
    other = tfds.features.FeaturesDict({"x": tfds.features.Scalar(np.int64)})
    write(tmp_path, images(2, 8, 8, 1), features=other)
    with pytest.raises(ValueError, match="not one for image classification.* has x"):
        data.load("tiny", tmp_path)


def test_batch_larger_than_a_half(small):
    with pytest.raises(ValueError, match=r"batch size 3501 .* 3500 of 7000 images"):
        data.bilevel(small[0], 3501)
    with pytest.raises(ValueError, match=r"batch size 0 "):
        data.batches(small[0], 0, training=True)


def test_label_out_of_range_is_named(tmp_path):
    write(tmp_path, images(6, 8, 8, 1), {"train": [0, 1, 2, 0, 7, 1]}, splits=("train",))
    with pytest.raises(ValueError, match=r"record 4 of .*tiny-train.* has label 7, where 0 to 2 are allowed"):
        data.load("tiny", tmp_path)


@pytest.mark.parametrize(("change", "reason"), [("flip", r"record \d is damaged|record \d of .* is damaged"),
                                                ("cut", "damaged"), ("remove", "tiny-train"), ("empty", "0 of 6")])
def test_damaged_file_is_named(tmp_path, change, reason):
    (file,) = write(tmp_path, images(6, 8, 8, 1), splits=("train",)).glob("tiny-train*")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    if change == "remove":
        file.unlink()
    else:
        file.write_bytes({"flip": content, "cut": content[:-20], "empty": b""}[change])
    with pytest.raises(ValueError, match=reason) as caught:
        data.batches(data.load("tiny", tmp_path)[0], 2)
    assert file.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_image_of_another_size_is_named(tmp_path):
    directory = write(tmp_path, images(4, 8, 8, 1), splits=("train",))
    features = directory / "features.json"
    features.write_text(features.read_text().replace('"8"', '"9"'))
    with pytest.raises(ValueError, match=r"record 0 of .*tiny-train"):
        data.load("tiny", tmp_path)
