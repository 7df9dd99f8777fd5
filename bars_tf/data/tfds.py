"""TensorFlow Datasets (TFDS): finds or downloads a data set, and selects its features and splits."""

import contextlib
import difflib
import io
import logging
import os
import pathlib
import urllib.error
import urllib.request
from typing import Any

import numpy as np

from bars_tf import console
from bars_tf.errors import InputError, one_line

# First, because TFDS imports TensorFlow, and `legacy_keras` must configure that import.
from bars_tf import legacy_keras  # noqa: F401  # isort: skip
import tensorflow_datasets as tfds  # isort: skip
from tensorflow_datasets.core.utils import gcs_utils  # isort: skip

EMBEDDED = pathlib.Path(__file__).parent / "datasets"  # the data sets inside the package
DOWNLOAD_TIMEOUT = 10  # seconds, to detect that there is no network


def _directory(name: str, data_dir: str | os.PathLike | None) -> pathlib.Path:
    """The TFDS directory of a data set: that of the package for the data sets in it."""
    if name in {path.name for path in EMBEDDED.iterdir() if path.is_dir()}:
        return EMBEDDED
    directory = os.path.expanduser(data_dir or tfds.core.constants.DATA_DIR)
    if directory.startswith("~"):
        raise ValueError(f"{directory} needs a home directory, and there is none: name a directory with --data_dir")
    return pathlib.Path(directory)


def find_builder(name: str, data_dir: str | os.PathLike | None = None) -> Any:
    """The TFDS builder of a data set, prepared or not.

    Raises: ValueError: there is no such data set.
    """
    tfds.disable_progress_bar()
    gcs_utils._is_gcs_disabled = True  # otherwise TFDS tries a storage bucket first: minutes without a network
    directory = _directory(name, data_dir)
    try:
        return tfds.builder(name, data_dir=str(directory), try_gcs=False)
    except tfds.core.DatasetNotFoundError:
        known = ["fashion_mnist_small", *tfds.list_builders(with_community_datasets=False)]
        near = difflib.get_close_matches(name, known)
        hint = f"; did you mean {' or '.join(near)}?" if near else ", see https://www.tensorflow.org/datasets"
        raise ValueError(f"data set {name!r} is unknown to TFDS and not in {directory}{hint}") from None
    # A malformed name or a broken directory may raise anything.
    except Exception as error:  # noqa: BLE001
        raise ValueError(f"data set {name!r} can't be opened in {directory}: {one_line(error)}") from None


def download_if_missing(builder: Any, data_dir: str | os.PathLike | None = None) -> None:
    """Downloads a data set if it is missing.

    Raises: ValueError: the download failed.
    """
    if os.path.exists(builder.data_dir):
        return
    name, root = builder.name, _directory(builder.name, data_dir)
    console.say(f"Data set {name} is not in {root}: downloading it.")
    retries = logging.getLogger("urllib3")
    level = retries.level
    retries.setLevel(logging.ERROR)
    try:
        if not builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
            _check_network(builder)
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    # Network, disk, checksum, files that must be downloaded manually: anything may fail.
    except Exception as error:  # noqa: BLE001
        raise ValueError(f"data set {name!r} is not in {root} and can't be downloaded ({one_line(error)}): name the "
                         f"directory that has it with --data_dir, or run tfds.load({name!r}, data_dir={str(root)!r}) "
                         "where there is a network") from None
    finally:
        retries.setLevel(level)


def _check_network(builder: Any) -> None:
    """Contacts the server of the data set; without a network TFDS would retry for minutes."""
    for url in list(builder.url_infos or ())[:1]:
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=DOWNLOAD_TIMEOUT).close()


def classification_keys(builder: Any) -> tuple[str, str]:
    """The names of the image and of the label among the features of a data set.

    Raises:
        ValueError: the data set is not made for image classification, or its images are not uint8 of 1 or 3 channels.
    """
    features = builder.info.features
    features = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    keys = builder.info.supervised_keys
    if not (isinstance(keys, tuple) and len(keys) == 2 and all(isinstance(key, str) for key in keys)):
        keys = ("image", "label")
    image, label = (features.get(key) for key in keys)
    if not (isinstance(image, tfds.features.Image) and isinstance(label, tfds.features.ClassLabel)):
        raise ValueError(f"data set {builder.info.name!r} is not one for image classification: it needs an image and a "
                         f"class label, and has {', '.join(sorted(features))}")
    if image.shape[-1] not in (1, 3, None) or image.np_dtype != np.uint8:
        raise ValueError(f"data set {builder.info.name!r} has images of shape {image.shape} and type {image.np_dtype}; "
                         "1 or 3 channels of uint8 are supported")
    return keys


def split_names(builder: Any, keys: tuple[str, str], validation: str | None = None) -> tuple[str, ...]:
    """The training split, the split `validation` if it is named, and the test split.

    The test split is "test", else "validation", else the last fifth of "train".

    Raises: ValueError: there are no training images; InputError: there are no such validation images.
    """
    train, test = _train_and_test(builder, keys)
    if validation is None:
        return train, test
    others = [name for name in builder.info.splits if name not in ("train", test)]
    if validation not in others:
        raise InputError.of("validation_split", validation, f"must be a fraction, or of data set {builder.name} one of "
                            f"{', '.join(others)}" if others else f"must be a fraction: data set {builder.name} has no "
                            f"split beside {train} and {test}, which are for training and test")
    return train, validation, test


def _train_and_test(builder: Any, keys: tuple[str, str]) -> tuple[str, str]:
    available = builder.info.splits
    if "train" not in available:
        raise ValueError(f"data set {builder.name!r} has no split train, only {', '.join(map(str, available))}")
    for split in ("test", "validation"):
        if split in available:
            first = next(iter(builder.as_dataset(split, decoders={keys[0]: tfds.decode.SkipDecoding()}).take(1)), None)
            if first is not None and first[keys[1]] >= 0:  # TFDS has -1 for labels that are not published
                return "train", split
    return "train[:80%]", "train[80%:]"
