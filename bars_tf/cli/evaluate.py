"""`bin/evaluate`: accuracy of a trained network."""

import json

import numpy as np

from bars_tf.cli.settings import Settings
from bars_tf.data.splits import load_splits
from bars_tf.errors import InputError, blame
from bars_tf.export import named, zoo
from bars_tf.export.conversion import load_tflite
from bars_tf.network.model_files import load_model
from bars_tf.training.evaluation import TFLITE, accuracy, as_classifier, by_class


def main(settings: Settings) -> None:
    path, name, split = settings.values["model"], settings.values["network"], settings.values["split"]
    if name:
        with blame("network", name):
            network = as_classifier(zoo.load(name))
    else:
        network = load_tflite(path) if path.endswith(TFLITE) else as_classifier(load_model(path))
    splits, data = load_splits(settings.data), settings.data
    images = zoo.prepared_for(name, getattr(splits, split)) if name else getattr(splits, split)
    if network.input_shape != images.image_shape or network.num_classes != images.num_classes:
        raise InputError.of("network" if name else "model", name or path, f"is for images {network.input_shape} of "
                            f"{network.num_classes} classes; {data.name} has {images.image_shape} of "
                            f"{images.num_classes}")
    confusion = np.zeros((images.num_classes, images.num_classes), int)
    value, count = accuracy(network, images, data.eval_batch_size, settings.run.max_steps, split, confusion)
    classes = by_class(confusion)
    if settings.values["json"]:
        print(json.dumps({"model": path or f"{named.PREFIX}{name}", "dataset": data.name, "split": split,
                          "accuracy": value, "images": count, **classes, "class_names": images.class_names}))
    else:
        print(f"{split} accuracy {value:.2%} on {count:,} images of {data.name}")
        least, name = min((r, name) for r, name in zip(classes["recall"], images.class_names) if r is not None)
        print(f"balanced accuracy {classes['balanced_accuracy']:.2%}, the mean over the classes; the least recall is "
              f"{least:.2%}, of {name}")
