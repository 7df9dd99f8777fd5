"""Every flag of every program: its parser, its help text, and the programs that take it.

Defaults are those of `bars_tf.cli.settings.DEFAULTS`. Single values are checked here, combinations there. A parser
raises a ValueError that says what the text must be, which absl's own parsers do not.
"""

import contextlib
import math
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from bars_tf.compare.settings import BASELINES, MOST_BLOCKS, TUNED, TUNERS
from bars_tf.cost.budget import parse_family, parse_overhead, parse_quantity, parse_time
from bars_tf.cost.device import shipped
from bars_tf.data.settings import CLASS_WEIGHTS, USER_IMAGES
from bars_tf.export import named
from bars_tf.export.settings import ACTIVATIONS, FORMATS
from bars_tf.space.backbones import BACKBONES
from bars_tf.space.fields import INPUT_QUANTIZERS, KERNEL_QUANTIZERS, REDUCTION_SHORTCUTS, SAMPLING, SHARING, STEMS
from bars_tf.space.presets import NASB, SPACES
from bars_tf.space.primitives import PRIMITIVES

Parse = Callable[[str], Any]


def checked(convert: Parse, accepts: Callable[[Any], bool], remedy: str) -> Parse:
    """A parser that converts a text, and raises a ValueError with the remedy where the value is not accepted."""

    def parse(text: str) -> Any:
        with contextlib.suppress(ValueError):
            if accepts(value := convert(text)):
                return value
        raise ValueError(remedy)

    return parse


def one_of(*known: str) -> Parse:
    return checked(str, known.__contains__, f"must be one of {', '.join(known)}")


def list_of(item: Parse, remedy: str) -> Parse:
    return checked(lambda text: tuple(item(part.strip()) for part in text.split(",")) if text.strip() else (),
                    bool, remedy)


def text(value: str) -> str:
    """A text or a path: any but an empty one, or one with control characters, such as a line break."""
    if not value.strip():
        raise ValueError("must not be empty")
    kinds = set(map(unicodedata.category, value))
    if kinds & {"Cc", "Zl", "Zp"}:
        raise ValueError("must not contain control characters such as line breaks")
    try:
        value.encode("utf-8", "surrogateescape").decode("utf-8")  # Python's form of bytes that the locale does not know
    except UnicodeError:
        raise ValueError("must be text in UTF-8") from None
    return value


def names(text: str) -> tuple[str, ...]:
    return () if text.strip() in ("", "none") else tuple(part.strip() for part in text.split(","))


def overhead_text(text: str) -> str:
    """The value of `--max_overhead`, checked."""
    parse_overhead(text)
    return text


def limit(text: str) -> float | None:
    """A limit of a budget; None for "none", which lifts that of a flagfile."""
    return None if text.strip() == "none" else parse_quantity(text)


def limit_of_time(text: str) -> float | None:
    """The same for a time, in microseconds."""
    return None if text.strip() == "none" else parse_time(text)


_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
boolean = checked(lambda text: _TRUTHS.get(text.lower()), lambda value: value is not None, "must be true or false")
COUNT = checked(int, lambda n: 1 <= n < 2**31, "must be a whole number of at least 1")
COUNT_OR_0 = checked(int, lambda n: 0 <= n < 2**31, "must be a whole number of at least 0")
POSITIVE = checked(float, lambda x: 0 < x < math.inf, "must be a number above 0")
POSITIVE_OR_0 = checked(float, lambda x: 0 <= x < math.inf, "must be a number of at least 0")
FRACTION = checked(float, lambda x: 0 < x < 1, "must lie between 0 and 1")
FRACTION_OR_ALL = checked(float, lambda x: 0 <= x <= 1, "must be from 0 to 1")
FRACTION_OR_0 = checked(float, lambda x: 0 <= x < 1, "must be at least 0 and below 1")
IMAGE_SIZE = checked(int, lambda n: n == 0 or 8 <= n <= 224, "must be 8 to 224, or 0 for the data set's own")
OPTIMIZERS = ("adam", "sgd")
STRATEGIES = ("one_device", "mirrored", "multi_worker")
MEASUREMENTS = ("memory", "sampled", "soft", "candidates", "train", "pipeline")
PRECISIONS = ("binary", "float")
_VALIDATION = checked(lambda text: text if text.isidentifier() else float(text),
                      lambda split: isinstance(split, str) or 0 < split < 1,
                      "must lie between 0 and 1, or be the name of a split")
_WIDTHS = list_of(float, "must be numbers such as 0.25,0.5,1.0")
_DEPTHS = list_of(int, "must be whole numbers such as 0,1,2")
_PRIMITIVES = list_of(str, f"must be some of {', '.join(PRIMITIVES)}, separated by commas")
_GENOTYPES = checked(names, lambda given: all(given) and len(set(given)) == len(given),
                     "must be different files or directories, separated by commas")
_REFERENCES = checked(
    names, lambda given: set(given) <= set(BASELINES) and len(set(given)) == len(given),
    f"must be some of {', '.join(BASELINES)}, separated by commas, or none")


class Flag(NamedTuple):
    """How a flag is parsed, its help text, and words for a default that is no value of its own."""

    parse: Parse
    help: str
    default: str = ""


def among(known: Iterable[str], words: str) -> Flag:
    """A flag whose value is one of those that its help lists."""
    return Flag(one_of(*known), f"{words}: {', '.join(known)}.")


FLAGS: dict[str, dict[str, Flag]] = {
    "Run": {
        "workdir": Flag(text, "Directory of the run and of all that it writes. The same command run again resumes in "
                        "it.", "runs/NAME, with the names of data set, space or genotype, and the seed"),
        "seed": Flag(COUNT_OR_0, "Random seed of data order, initial weights and sampling."),
        "deterministic": Flag(boolean, "Repeat a run to the last bit on the same machine; slower on a GPU."),
        "max_steps": Flag(COUNT_OR_0, "End every epoch after this many steps, for a quick trial; 0 for no limit."),
        "strategy": Flag(one_of(*STRATEGIES), "Devices that share every batch: one_device; mirrored, all GPUs of this "
                         "machine; multi_worker, the machines in TF_CONFIG, which all see --workdir."),
        "save_minutes": Flag(POSITIVE, "Minutes between two checkpoints within a long epoch."),
        "mlflow": Flag(boolean, "Log the finished run to MLflow (extra mlflow): to the server that MLFLOW_TRACKING_URI "
                       "names, or to mlflow.db in the working directory."),
        "verbosity": Flag(COUNT_OR_0, "1 shows the messages of TensorFlow and the traceback of an error."),
        "json": Flag(boolean, "Print JSON."),
    },
    "Input files": {
        "genotype": Flag(text, "Genotype file, such as the genotype.json of a search; or zoo:NAME, a network that "
                         "comes with this package, whose training bin/train continues on your data."),
        "network": Flag(one_of(*BASELINES, *named.names()), "A network by its name. bin/train: a baseline as large as "
                        f"the budget allows, one of {', '.join(BASELINES)}. bin/evaluate and bin/export: a trained one "
                        f"of this package, one of {', '.join(named.names())}."),
        "blocks": Flag(checked(int, lambda n: 1 <= n <= MOST_BLOCKS, f"must be from 1 to {MOST_BLOCKS}"),
                       "Blocks of each stage of the --network."),
        "model": Flag(text, "Trained network: the model.h5 of a run, or a .tflite file of bin/export."),
        "directory": Flag(text, "Directory whose runs are listed, with those in its subdirectories."),
        "sort": Flag(text, "Column to sort by; a minus before it puts the largest value first: "
                     "--sort=-test_accuracy."),
        "page": Flag(text, "HTML file that shows the runs side by side.", "no file"),
        "split": among(("test", "train", "validation"), "Images to evaluate on"),
    },
    "Data": {
        "dataset": Flag(text, "Image classification set of TensorFlow Datasets; fashion_mnist_small is part of this "
                        "package."),
        "data_dir": Flag(text, "Directory where TensorFlow Datasets looks for data sets and downloads them to.",
                         "its own"),
        "image_dir": Flag(text, "Directory of images that replaces --dataset: CLASS/FILE, or train/CLASS/FILE and "
                          "test/CLASS/FILE, of every common format. Without test images, a fifth of every class is "
                          "used for the test, the same images in every run. See docs/guide/data.md.", "none"),
        "image_size": Flag(IMAGE_SIZE, "Side in pixels that images are resized to; 0 keeps their size."),
        "crop_padding": Flag(COUNT_OR_0, "Pixels that training images are padded by before a random crop; 0 for no "
                             "crops. Images of varying sizes are stored 15 % larger and cropped from that.",
                             "that of the data set"),
        "flip": Flag(boolean, "Mirror training images at random. Not for digits or text.", "that of the data set"),
        "cutout": Flag(COUNT_OR_0, "Side in pixels of a square that is blanked in training images; 0 for none."),
        "validation_split": Flag(_VALIDATION, "Validation images, to score candidates and to choose the best weights: "
                                 "a fraction that is held out of the training images, or the name of a split of the "
                                 "data set."),
        "split_seed": Flag(COUNT_OR_0, "Random seed that selects the validation images. Runs of different seeds can "
                           "share it.", "--seed"),
        "arch_split": Flag(FRACTION, "Fraction of the remaining training images that trains the alphas; the others "
                           "train the weights."),
        "batch_size": Flag(COUNT, "Images in a search step, from each of these two parts."),
        "class_weights": Flag(one_of(*CLASS_WEIGHTS), "balanced: classes of few training images weigh as much as those "
                              "of many, in the losses and accuracies of search, training and validation; none: all "
                              "images weigh alike."),
        "eval_batch_size": Flag(COUNT, "Images in an evaluation step."),
    },
    "Space": {
        "space": Flag(text, f"Search space: {', '.join((*SPACES, NASB.name))}, or a file NAME.json that describes one. "
                      "The flags below override its fields."),
        "backbone": Flag(one_of(*BACKBONES), f"Network that --space=nasb binarizes: {', '.join(BACKBONES)}. Your own "
                         "is described in a file for --space.", "resnet20"),
        "width_multiplier": Flag(POSITIVE, "Factor on the channels of the backbone.", "1"),
        "stem": among(STEMS, "First convolutions"),
        "stem_channels": Flag(COUNT, "Channels between the convolutions of the stem."),
        "init_channels": Flag(COUNT, "Channels of a node in the first stage at full width; every later stage has twice "
                              "as many as the one before."),
        "layout": Flag(text, "Sequence of cells: N, a normal cell; R, a reduction cell, which opens a stage. For "
                       "instance NNRNNRNN."),
        "num_nodes": Flag(COUNT, "Intermediate nodes of a cell."),
        "full_width_nodes": Flag(boolean, "Nodes as wide as the main path, to which their sum is added; false: narrow "
                                 "nodes, which are concatenated, as in BARS."),
        "reduction_shortcut": Flag(one_of(*REDUCTION_SHORTCUTS), "Shortcut around a reduction cell: average (as in "
                                   "BARS), or transition (max pooling, blur, float 1x1 convolution, as in QuickNet)."),
        "reduction_kernel": Flag(checked(int, (0, 1, 3, 5).__contains__, "must be 0, 1, 3 or 5"), "Kernel size of the "
                                 "binary convolution in the shortcut of reduction cells; 0 for none."),
        "primitives": Flag(_PRIMITIVES, f"Candidate operations of every edge: some of {', '.join(PRIMITIVES)}."),
        "sharing": Flag(one_of(*SHARING), "Cells that share a topology: reduction (all reduction cells), none, stage "
                        "(the normal cells of a stage; all reduction cells), all (all normal cells; all reduction "
                        "cells)."),
        "width_choices": Flag(_WIDTHS, "Fractions of the full width that a stage chooses from, increasing."),
        "depth_choices": Flag(_DEPTHS, "Numbers of normal cells that a stage chooses from, increasing."),
        "input_quantizer": among(INPUT_QUANTIZERS, "Quantizer of activations"),
        "kernel_quantizer": among(KERNEL_QUANTIZERS, "Quantizer of kernels"),
        "latent_clip": Flag(POSITIVE, "Bound of the absolute value of latent weights."),
        "max_inputs": Flag(COUNT, "Largest number of inputs that a node keeps."),
        "num_paths": Flag(COUNT, "Parallel copies of every binary convolution, each with its own weights and a learnt "
                          "shift before its sign."),
    },
    "Budget (any of them; 250k, 12.5M, 1G or in full; none lifts the limit of a flagfile)": {
        "budget_bops": Flag(limit, "Limit of the binary multiply-accumulates (BOPs).", "no limit"),
        "budget_flops": Flag(limit, "Limit of the float multiply-accumulates (FLOPs).", "no limit"),
        "budget_ops": Flag(limit, "Limit of the OPs: FLOPs + BOPs / 64.", "no limit"),
        "budget_params": Flag(limit, "Limit of the number of parameters, binary and float.", "no limit"),
        "budget_size": Flag(limit, "Limit of the bytes of the weights, one bit a binary weight.", "no limit"),
        "budget_elementwise": Flag(limit, "Limit of the element-wise operations: signs, additions, ReLU, batch norm, "
                                   "pixels of poolings.", "no limit"),
        "budget_latency": Flag(limit_of_time, "Limit of the time of one image on --device, such as 12ms or 800us. "
                               "Estimated: a sum over the operations that the converter makes of the network.",
                               "no limit"),
        "device": Flag(text, f"Device whose times count: {', '.join(shipped())} (estimated), or a file NAME.json that "
                       "bin/device wrote.", "none"),
        "budget_peak": Flag(limit, "Limit of the bytes of float activations that one image needs at one time. "
                            "A cell with any edge counts as a cell with all edges.", "no limit"),
        "budgets": Flag(parse_family, "Family of networks from one search, one for each increasing limit: "
                        "300k,400k,600k (OPs), bops:5M,10M, params:100k,200k or latency:8ms,12ms. Replaces the limit "
                        "of that measure; the largest network is trained.", "one network"),
        "max_overhead": Flag(overhead_text, "Allowed excess over the cost of a backbone, as a fraction: 0.1 for "
                             "ops, bops, size, elementwise and peak, or some as ops:0.1,size:0.2; none for no limit.",
                             "0.1 with a backbone"),
    },
    "Search": {
        "search_epochs": Flag(COUNT, "Epochs of the search, warm-up included."),
        "warmup_epochs": Flag(COUNT_OR_0, "First epochs, in which only the weights are trained.",
                              "half of the epochs"),
        "sampling": Flag(one_of(*SAMPLING), "Relaxation of the choices: softmax, gumbel (soft), gumbel_hard "
                         "(straight-through; computes only the sampled operations)."),
        "uniform_share": Flag(FRACTION_OR_ALL, "Fraction of the weight steps that train uniformly drawn networks near "
                              "the budget; the other steps train networks sampled by the alphas, as in BARS."),
        "temperature": Flag(POSITIVE, "Initial Gumbel-softmax temperature."),
        "final_temperature": Flag(POSITIVE, "Final Gumbel-softmax temperature."),
        "entropy_weight": Flag(POSITIVE_OR_0, "Final weight of the entropy of the choices in the loss of the alphas."),
        "weight_optimizer": among(OPTIMIZERS, "Optimizer of the weights"),
        "weight_lr": Flag(POSITIVE, "Initial learning rate of the weights, with cosine decay."),
        "arch_lr": Flag(POSITIVE, "Learning rate of the alphas (Adam)."),
        "cost_exponent": Flag(POSITIVE_OR_0, "Strength of the budget in the loss of the alphas, as an exponent of the "
                              "cost factor; 0 ignores the budget."),
        "clip_norm": Flag(POSITIVE_OR_0, "Limit of the global norm of the weights' gradient; 0 for no limit."),
        "num_candidates": Flag(COUNT, "Genotypes that the supernet scores at the end, the most probable one included, "
                               "beside the uniform networks that one would make by hand."),
        "num_finalists": Flag(COUNT_OR_0, "Successive halving: this many candidates start training, half of them "
                              "uniform networks; the better half by validation accuracy continues every "
                              "--finalist_epochs, the last one is the result. Not with a teacher or pre-training. 0 "
                              "takes the best candidate by the supernet.",
                              "4; 0 with --budgets, --pretrain_epochs or a teacher"),
        "finalist_epochs": Flag(COUNT, "Training epochs between two halvings.", "two fifths of --train_epochs"),
    },
    "Training of the derived network": {
        "train_epochs": Flag(COUNT, "Training epochs."),
        "train_batch_size": Flag(COUNT, "Images in a training step."),
        "train_optimizer": among(OPTIMIZERS, "Optimizer of the training"),
        "train_lr": Flag(POSITIVE, "Highest learning rate of the training, with cosine decay."),
        "train_warmup_epochs": Flag(COUNT_OR_0, "First epochs, in which the learning rate rises.",
                                    "a tenth of the epochs, at most 5"),
        "label_smoothing": Flag(FRACTION_OR_0, "Fraction of a label that is spread over all classes."),
        "dropout": Flag(FRACTION_OR_0, "Fraction of the features that is dropped before the classifier."),
        "train_clip_norm": Flag(POSITIVE_OR_0, "Limit of the global norm of the gradient; 0 for no limit."),
        "xla": Flag(boolean, "Compile the training step by XLA; slower on a CPU."),
        "mixed_precision": Flag(boolean, "Train in bfloat16 with float32 variables, for GPUs. The saved model computes "
                                "in float32."),
        "pretrain_epochs": Flag(COUNT_OR_0, "Epochs of pre-training with binary activations and float kernels; 0 for "
                                "none."),
        "teacher": Flag(text, "Teacher for distillation: twin, the float twin of the network (of its backbone if it "
                        "has one), which is trained first; or a Keras model file .h5 that maps the same images to "
                        "logits.", "none"),
        "distillation": Flag(FRACTION, "Fraction of the loss that is the distance to the teacher.",
                             "0.5 with a teacher"),
        "train_backbone": Flag(boolean, "Train the plain backbone too, with the same settings, for comparison."),
        "precision": Flag(one_of(*PRECISIONS), "binary, or float for the float twin: the same network with ReLUs in "
                          "place of signs, and float convolutions."),
    },
    "Tuning": {
        "what": Flag(one_of(*TUNED), "training: tune the training settings of --genotype; architecture: search "
                     "networks of the space within the budget by trained trials."),
        "tuner": among(TUNERS, "Algorithm of keras-tuner"),
        "max_trials": Flag(COUNT, "Largest number of trials."),
        "trial_epochs": Flag(COUNT, "Epochs of a trial. The best trial is then trained for --train_epochs.",
                             "a fifth of --train_epochs"),
        "tune_minutes": Flag(POSITIVE_OR_0, "Start no trial after this many minutes, over all starts of the run; 0 for "
                             "no limit."),
        "as_long_as": Flag(text, "Start no trial after the time that the search in this work directory took.",
                           "no limit"),
    },
    "Comparison": {
        "genotypes": Flag(_GENOTYPES, "Searched networks: genotype files or work directories of searches, separated by "
                          "commas.", "none"),
        "num_random": Flag(COUNT_OR_0, "Random networks of the space at 95 to 100 % of the budget."),
        "repeat_random": Flag(COUNT_OR_0, "Number of random networks that are trained with a second seed.",
                              "a quarter of them"),
        "references": Flag(_REFERENCES, "Hand-made baseline networks, as wide as the budget allows and trained in "
                           f"every depth that it allows: some of {', '.join(BASELINES)}, or none.",
                           "resnet,quicknet,bars_uniform; with a backbone backbone,widened"),
        "train_seeds": Flag(COUNT, "Trainings of every searched network, of the best depth of every baseline and of "
                            "the best random network."),
    },
    "Measurement": {
        "measure": Flag(list_of(one_of(*MEASUREMENTS), f"must be some of {', '.join(MEASUREMENTS)}"),
                        f"Measurements: some of {', '.join(MEASUREMENTS)}, separated by commas."),
        "rounds": Flag(COUNT, "Number of times that everything is timed, in turn with the bare convolutions."),
        "quick": Flag(boolean, "Measure a small space in few rounds: shows that the benchmark works, not how fast the "
                      "code is."),
    },
    "Device": {
        "layers": Flag(boolean, "Write into the directory --output what has to be timed for a space: .tflite files of "
                       "each operation and of whole networks, and a script that times them on the device."),
        "read": Flag(text, "Directory of --layers with the profiles that the script wrote: makes the device file "
                     "--output=NAME.json of them.", "none"),
        "fit": Flag(one_of("rpi4b", "pixel1"), "Fit a device of the package again, rpi4b or pixel1, to published times "
                    "of networks of the Larq Zoo, into --output=NAME.json. Takes minutes.", "none"),
    },
    "Export": {
        "name": Flag(text, "Name of the model in Python, in C and in its files.", "that of --network"),
        "output": Flag(text, "Directory for the files, new or empty; a file NAME.json for a device.", "--name"),
        "format": Flag(list_of(one_of(*FORMATS), f"must be some of {', '.join(FORMATS)}"),
                       "What is written: zoo, a Larq Zoo model; tflite, a file for the Larq Compute Engine; c, plain C "
                       "for microcontrollers.", "zoo,tflite,c; without tflite where the engine is not installed"),
        "c_activations": Flag(one_of(*ACTIVATIONS), "How plain C holds activations: float16 takes half the RAM and "
                              "rounds; it is refused where less than 98 % of test images keep their class."),
        "overwrite": Flag(boolean, "Write into a directory that has files, over those of the same names."),
        "allow_float_fallback": Flag(boolean, "Write, with a warning, a deployment file that does not run binary or "
                                     "does not compute the trained network."),
    },
}
RUN, FILES, DATA, SPACE, BUDGET, SEARCH, TRAIN, TUNE, COMPARE, BENCH, DEVICE, EXPORT = map(tuple, FLAGS.values())
ALL = {name: flag for group in FLAGS.values() for name, flag in group.items()}


class Program(NamedTuple):
    """What `--help` says of a program, and the flags that it takes."""

    purpose: str
    examples: tuple[str, str]
    flags: tuple[str, ...]
    required: tuple[str, ...] = ()  # flags that must be given
    one_of: tuple[str, ...] = ()  # flags of which exactly one must be given
    argument: str = ""  # the flag that may be written as its value alone
    suffix: str = ""  # ending of the default work directory


PROGRAMS = {
    "search": Program(
        "Searches a binary network within a budget, rebuilds it, trains it and evaluates it.",
        ("bin/search --flagfile=quickstart.flags",
         "bin/search --image_dir=IMAGES --image_size=48 --budget_size=60k"),
        tuple(n for n in (*RUN, *DATA, *SPACE, *BUDGET, *SEARCH, *TRAIN) if n not in ("json", "precision"))),
    "train": Program(
        "Trains the network of a genotype file, or a baseline within a budget, and evaluates it.",
        ("bin/train --genotype=runs/NAME/genotype.json --flagfile=quickstart.flags",
         "bin/train --network=quicknet --flagfile=quickstart.flags"),
        tuple(n for n in ("genotype", "network", "blocks", *RUN, *DATA, *SPACE, *BUDGET, *TRAIN)
              if n not in ("json", "arch_split", "batch_size", "budgets")), one_of=("genotype", "network")),
    "compare": Program(
        "Trains searched, random and hand-made networks of equal cost in the same way, and compares their accuracy.",
        ("bin/compare --genotypes=runs/NAME,runs/OTHER --flagfile=quickstart_compare.flags",
         "bin/compare --genotypes=runs/NAME --flagfile=quickstart_compare.flags --references=none --num_random=8"),
        tuple(n for n in (*RUN, *DATA, *SPACE, *BUDGET, *TRAIN, *COMPARE)
              if n not in ("json", "arch_split", "batch_size", "strategy", "precision", "train_backbone",
                           "budgets", "mlflow")),
        suffix="_compare"),
    "evaluate": Program(
        "Prints the accuracy of a trained network.",
        ("bin/evaluate --model=runs/NAME/model.h5 --flagfile=quickstart.flags",
         "bin/evaluate --model=my_net/my_net.tflite --flagfile=runs/NAME/config.flags --json"),
        ("model", "network", "split", "dataset", "data_dir", *USER_IMAGES, "image_size", "validation_split",
         "split_seed", "eval_batch_size", "seed", "max_steps", "verbosity", "json"), one_of=("model", "network")),
    "summary": Program(
        "Prints the layers and costs of a genotype file, or the contents of a model file.",
        ("bin/summary --genotype=runs/NAME/genotype.json", "bin/summary --model=my_net/my_net.tflite"),
        ("genotype", "model", "image_size", "device", "verbosity", "json"), one_of=("genotype", "model")),
    "tune": Program(
        "Tunes training settings, or searches networks of a space by trained trials, with keras-tuner.",
        ("bin/tune --what=training --genotype=runs/NAME/genotype.json --flagfile=quickstart.flags",
         "bin/tune --what=architecture --flagfile=quickstart.flags --tuner=bayesian --tune_minutes=30"),
        tuple(n for n in ("genotype", *RUN, *DATA, *SPACE, *BUDGET, *TRAIN, *TUNE)
              if n not in ("json", "arch_split", "batch_size", "strategy", "precision", "pretrain_epochs", "teacher",
                           "distillation", "train_backbone", "budgets")), ("what",),
        suffix="_tune"),
    "report": Program(
        "Writes report.html and the figures of a run, finished or not.",
        ("bin/report --workdir=runs/NAME", "bin/report --workdir=runs/NAME --mlflow"),
        ("workdir", "mlflow", "verbosity"), ("workdir",)),
    "runs": Program(
        "Lists the runs below a directory.",
        ("bin/runs runs --sort=-test_accuracy", "bin/runs runs --page=runs/runs.html"),
        ("directory", "sort", "page", "verbosity", "json"), argument="directory"),
    "bench": Program(
        "Measures speed and memory of search and training against the bare convolutions on this machine.",
        ("bin/bench --space=bars_paper", "bin/bench --space=bars_small --measure=train --rounds=3 --json"),
        (*BENCH, *SPACE, "batch_size", "image_size", "dataset", "data_dir", "xla", "mixed_precision", "seed",
         "verbosity", "json")),
    "device": Program(
        "Measures a device for --budget_latency: writes what is to be timed on it, and reads the profiles.",
        ("bin/device --layers --output=board --flagfile=quickstart.flags",
         "bin/device --read=board --output=board.json"),
        (*DEVICE, "output", "overwrite", *SPACE, "dataset", "data_dir", *USER_IMAGES, "image_size", "crop_padding",
         "validation_split", "split_seed", "seed", "verbosity"), ("output",)),
    "export": Program(
        "Writes a trained network as a Larq Zoo model, a deployment file and plain C, and proves that all compute it.",
        ("bin/export --workdir=runs/NAME --name=my_net --output=my_net",
         "bin/export --network=fashion_mnist_1m --format=c"),
        ("workdir", "network", *EXPORT, "data_dir", *USER_IMAGES, "verbosity"), one_of=("workdir", "network")),
}
