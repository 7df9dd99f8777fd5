"""Every flag of every program: what it may be, what it means, and which program takes it.

Defaults are those of `bars_tf.cli.settings.DEFAULTS`. Values are checked one by one here; what must fit together is
checked there.
"""

from __future__ import annotations

from typing import NamedTuple

from bars_tf.cli.flag_values import (
    COUNT,
    COUNT_OR_0,
    IMAGE_SIZE,
    PART,
    PART_OR_0,
    PART_OR_ALL,
    POSITIVE,
    POSITIVE_OR_0,
    TEXT,
    Parse,
    boolean,
    checked,
    list_of,
    names,
    one_of,
    overhead_text,
)
from bars_tf.compare.baselines import BASELINES
from bars_tf.compare.tuning.settings import TUNED, TUNERS
from bars_tf.cost.budget import parse_family, parse_quantity
from bars_tf.space.backbones import BACKBONES
from bars_tf.space.fields import INPUT_QUANTIZERS, KERNEL_QUANTIZERS, REDUCTION_SHORTCUTS, SAMPLING, SHARING, STEMS
from bars_tf.space.presets import NASB, SPACES
from bars_tf.space.primitives import PRIMITIVES

OPTIMIZERS = ("adam", "sgd")
STRATEGIES = ("one_device", "mirrored", "multi_worker")
MEASUREMENTS = ("memory", "sampled", "soft", "candidates", "train", "pipeline")
PRECISIONS = ("binary", "float")

_WIDTHS = list_of(float, "must be numbers such as 0.25,0.5,1.0")
_DEPTHS = list_of(int, "must be whole numbers such as 0,1,2")
_PRIMITIVES = list_of(str, f"must be some of {', '.join(PRIMITIVES)}, separated by commas")


_GENOTYPES = checked(names, lambda given: all(given) and len(set(given)) == len(given),
                      "must be different files or directories, separated by commas")
_REFERENCES = checked(
    names, lambda given: set(given) <= set(BASELINES) and len(set(given)) == len(given),
    f"must be some of {', '.join(BASELINES)}, separated by commas, or none")
_BY_SPACE = "as the space says"


class Flag(NamedTuple):
    parse: Parse
    help: str
    default: str = ""  # words for a default that is none of its values


FLAGS: dict[str, dict[str, Flag]] = {
    "Run": {
        "workdir": Flag(TEXT, "Directory of the run, with all that it writes. bin/search, train, tune and compare go "
                        "on in the one that they began in.", "runs/, then data set, space or genotype, and seed"),
        "seed": Flag(COUNT_OR_0, "Of data order, initial weights and samples."),
        "deterministic": Flag(boolean, "Repeats a run to the last bit on the same machine; slower on a GPU."),
        "max_steps": Flag(COUNT_OR_0, "Ends each epoch of each stage after so many steps, to try things out; 0: off."),
        "strategy": Flag(one_of(*STRATEGIES), "Devices that share each batch: one_device, mirrored (all of this "
                         "machine), multi_worker (of the machines in TF_CONFIG; --workdir is on a disk of all)."),
        "save_minutes": Flag(POSITIVE, "An epoch that takes longer is saved so often in the middle."),
        "verbosity": Flag(COUNT_OR_0, "1 shows TensorFlow's messages, and the traceback of an error."),
        "json": Flag(boolean, "Prints JSON."),
    },
    "Input files": {
        "genotype": Flag(TEXT, "Genotype file: the genotype.json of a search."),
        "network": Flag(one_of(*BASELINES), "In place of a genotype file a reference, as large as the budget allows, "
                        f"beside the space: {', '.join(BASELINES)}."),
        "model": Flag(TEXT, "Trained network: the model.h5 of a work directory, or a .tflite file of bin/export."),
        "directory": Flag(TEXT, "Directory whose runs are listed, those in its subdirectories too."),
        "sort": Flag(TEXT, "Column to sort by, with a minus before it for the largest first: --sort=-test_accuracy."),
        "page": Flag(TEXT, "File for a page of HTML with the runs side by side.", "none is written"),
        "split": Flag(one_of("test", "train", "validation"), "Part of the data set to evaluate on."),
    },
    "Data": {
        "dataset": Flag(TEXT, "Image classification set of TensorFlow Datasets. fashion_mnist_small is part of the "
                        "package."),
        "data_dir": Flag(TEXT, "Where TFDS looks for data sets, and downloads them to.", "TFDS's own"),
        "image_dir": Flag(TEXT, "Takes the place of --dataset: a directory of images, CLASS/FILE, or train/CLASS/FILE "
                          "and test/CLASS/FILE. Without test images a fifth of every class is set apart, the same in "
                          "every run.", "none"),
        "image_size": Flag(IMAGE_SIZE, "Images are resized to so many pixels square; 0: as they are."),
        "crop_padding": Flag(COUNT_OR_0, "Training images are padded by so many pixels and cropped at random; 0: "
                             "off (those of varying sizes are kept 15 % larger, and cropped from that).",
                             "as usual for the data set"),
        "flip": Flag(boolean, "Training images are mirrored at random: not for digits or text.",
                     "as usual for the data set"),
        "cutout": Flag(COUNT_OR_0, "Side of a square that is blanked in training images; 0: off."),
        "validation_split": Flag(PART, "Part of the training set that scores candidates, and chooses best weights."),
        "split_seed": Flag(COUNT_OR_0, "Draws that part: one number for trainings of several seeds.", "--seed"),
        "arch_split": Flag(PART, "Part of the remaining training set that the alphas learn from; the weights have the "
                           "rest."),
        "batch_size": Flag(COUNT, "Images a step of the search, from each half."),
        "eval_batch_size": Flag(COUNT, "Images a step of evaluation."),
    },
    "Space": {
        "space": Flag(TEXT, f"Search space: {', '.join((*SPACES, NASB.name))}, or a file NAME.json that describes "
                      "one. The flags below change parts of it."),
        "backbone": Flag(one_of(*BACKBONES), f"Network that --space=nasb binarizes: {', '.join(BACKBONES)}; one of "
                         "your own is described in a file for --space.", "resnet20"),
        "width_multiplier": Flag(POSITIVE, "Of the backbone's channels.", "1"),
        "stem": Flag(one_of(*STEMS), f"First convolutions: {', '.join(STEMS)}.", _BY_SPACE),
        "stem_channels": Flag(COUNT, "Channels between the convolutions of the stem.", _BY_SPACE),
        "init_channels": Flag(COUNT, "Channels of a node in the first stage at full width; each later stage doubles "
                              "them.", _BY_SPACE),
        "layout": Flag(TEXT, "N (normal cell) and R (reduction cell, opens a stage) in order, such as NNRNNRNN.",
                       _BY_SPACE),
        "num_nodes": Flag(COUNT, "Intermediate nodes of a cell.", _BY_SPACE),
        "full_width_nodes": Flag(boolean, "Nodes as wide as the main path, to which their sum is added; no: narrow "
                                 "ones that are concatenated, as in BARS.", _BY_SPACE),
        "reduction_shortcut": Flag(one_of(*REDUCTION_SHORTCUTS), "What leads past a reduction cell: average (as in "
                                   "BARS), transition (max pooling, blur, a float 1x1 convolution, as in QuickNet).",
                                   _BY_SPACE),
        "reduction_kernel": Flag(checked(int, (0, 1, 3, 5).__contains__, "must be 0, 1, 3 or 5"), "Kernel of the "
                                 "binary convolution in the shortcut of reduction cells; 0: none.", _BY_SPACE),
        "primitives": Flag(_PRIMITIVES, f"Candidates of an edge: some of {', '.join(PRIMITIVES)}.", _BY_SPACE),
        "sharing": Flag(one_of(*SHARING), "Cells with one topology: reduction (those of reduction cells are one), "
                        "none, stage (one a stage), all (one for normal, one for reduction cells).", _BY_SPACE),
        "width_choices": Flag(_WIDTHS, "Parts of the full width that a stage chooses from, increasing.", _BY_SPACE),
        "depth_choices": Flag(_DEPTHS, "Numbers of normal cells that a stage chooses from, increasing.", _BY_SPACE),
        "input_quantizer": Flag(one_of(*INPUT_QUANTIZERS), f"Of activations: {', '.join(INPUT_QUANTIZERS)}.",
                                _BY_SPACE),
        "kernel_quantizer": Flag(one_of(*KERNEL_QUANTIZERS), f"Of kernels: {', '.join(KERNEL_QUANTIZERS)}.",
                                 _BY_SPACE),
        "latent_clip": Flag(POSITIVE, "Latent weights stay between minus this and this.", _BY_SPACE),
        "max_inputs": Flag(COUNT, "Inputs of a node that are kept, at most.", _BY_SPACE),
        "num_paths": Flag(COUNT, "Parallel copies of every binary convolution, each with weights of its own and a "
                          "learnt shift before its sign.", _BY_SPACE),
    },
    "Budget (any of them; 250k, 12.5M, 1G or in full)": {
        "budget_bops": Flag(parse_quantity, "Binary multiply-accumulates.", "no limit"),
        "budget_flops": Flag(parse_quantity, "Float multiply-accumulates.", "no limit"),
        "budget_ops": Flag(parse_quantity, "OPs = FLOPs + BOPs / 64.", "no limit"),
        "budget_params": Flag(parse_quantity, "Parameters, binary and float ones alike.", "no limit"),
        "budget_size": Flag(parse_quantity, "Bytes of the weights, binary ones as bits.", "no limit"),
        "budget_peak": Flag(parse_quantity, "Bytes of float activations of an image at one time; a cell with any edge "
                            "counts as if it had all.", "no limit"),
        "budgets": Flag(parse_family, "A family: one network for each of several increasing budgets from one search, "
                        "such as 300k,400k,600k (OPs), bops:5M,10M or params:100k,200k, in place of the limit of that "
                        "measure; the largest is trained.", "one network"),
        "max_overhead": Flag(overhead_text, "With a backbone: by which part operations and bytes may "
                             "exceed its own: a number for ops, bops and size, or some as ops:0.1,size:0.2; none: no "
                             "limit.", "0.1 with a backbone"),
    },
    "Search": {
        "search_epochs": Flag(COUNT, "Epochs of the search, warm-up included."),
        "warmup_epochs": Flag(COUNT_OR_0, "First epochs, in which only weights learn.", "a tenth of the epochs"),
        "sampling": Flag(one_of(*SAMPLING), "Relaxation of the choices: softmax, gumbel (soft), gumbel_hard "
                         "(straight-through, computes what is sampled)."),
        "uniform_share": Flag(PART_OR_ALL, "Part of the weight steps that train networks drawn uniformly, the others "
                              "those that the alphas draw (all in BARS: 0); what is scored later should have been "
                              "trained alike."),
        "temperature": Flag(POSITIVE, "Of the samples, at first."),
        "final_temperature": Flag(POSITIVE, "Of the samples, at the end."),
        "entropy_weight": Flag(POSITIVE_OR_0, "Of the entropy of the choices in the arch objective, at the end."),
        "weight_optimizer": Flag(one_of(*OPTIMIZERS), f"Of the weights: {', '.join(OPTIMIZERS)}."),
        "weight_lr": Flag(POSITIVE, "Its first learning rate, which falls along a cosine."),
        "arch_lr": Flag(POSITIVE, "Learning rate of the alphas (Adam)."),
        "cost_exponent": Flag(POSITIVE_OR_0, "How strongly a cost off the budget weighs in the arch objective; 0: "
                              "not at all."),
        "clip_norm": Flag(POSITIVE_OR_0, "Limit of the norm of the weights' gradient; 0: none."),
        "num_candidates": Flag(COUNT, "Genotypes that are scored at the end, the most probable one among them; the "
                               "best stays."),
        "num_finalists": Flag(COUNT_OR_0, "So many of the best begin their training; time and again the better half by "
                              "validation images goes on, and the last one stays. Not with a teacher or pre-training. "
                              "0: the best one by the supernet."),
        "finalist_epochs": Flag(COUNT, "Epochs of that training before half of them end."),
    },
    "Training of the derived network": {
        "train_epochs": Flag(COUNT, "Epochs."),
        "train_batch_size": Flag(COUNT, "Images a step."),
        "train_optimizer": Flag(one_of(*OPTIMIZERS), f"Optimizer: {', '.join(OPTIMIZERS)}."),
        "train_lr": Flag(POSITIVE, "Highest learning rate, which falls along a cosine."),
        "train_warmup_epochs": Flag(COUNT_OR_0, "First epochs, in which the learning rate rises.",
                                    "a tenth of the epochs, at most 5"),
        "label_smoothing": Flag(PART_OR_0, "Part of a label that goes to all classes."),
        "dropout": Flag(PART_OR_0, "Part of the features that is dropped before the last layer."),
        "train_clip_norm": Flag(POSITIVE_OR_0, "Limit of the norm of the gradient; 0: none."),
        "xla": Flag(boolean, "Compiles the training step by XLA: slower on a processor."),
        "mixed_precision": Flag(boolean, "Trains in bfloat16, with variables in float32: for GPUs. What is saved "
                                "computes in float32."),
        "pretrain_epochs": Flag(COUNT_OR_0, "Epochs of pre-training with binary activations and float kernels; 0: "
                                "none."),
        "teacher": Flag(TEXT, "Teacher of the training: twin (the float twin of the network, of its backbone if it "
                        "has one, trained along) or a Keras model file .h5 from the same images to logits.", "none"),
        "distillation": Flag(PART, "Part of the loss that is the distance to the teacher.", "0.5 with a teacher"),
        "train_backbone": Flag(boolean, "Trains the plain backbone too, by the same settings, to compare with."),
        "precision": Flag(one_of(*PRECISIONS), "binary, or float for the float twin: the same network with ReLUs in "
                          "place of signs, and float convolutions."),
    },
    "Tuning": {
        "what": Flag(one_of(*TUNED), "training: settings of the training of --genotype; architecture: networks of the "
                     "space within the budget, as bin/search looks for."),
        "tuner": Flag(one_of(*TUNERS), f"Of keras-tuner: {', '.join(TUNERS)}."),
        "max_trials": Flag(COUNT, "Trials at most."),
        "trial_epochs": Flag(COUNT, "Epochs of a trial; the most that hyperband gives to one. The best one is then "
                             "trained for --train_epochs.", "a fifth of --train_epochs"),
        "tune_minutes": Flag(POSITIVE_OR_0, "No trial begins after so many minutes, those before a resumption "
                             "included; 0: no limit."),
        "as_long_as": Flag(TEXT, "Work directory of a search: no trial begins after the minutes that this one took.",
                           "no limit"),
    },
    "Comparison": {
        "genotypes": Flag(_GENOTYPES, "What was searched: genotype files or work directories of searches, separated by "
                          "commas.", "none"),
        "num_random": Flag(COUNT_OR_0, "Random networks of the space at 95 to 100 % of the budget."),
        "repeat_random": Flag(COUNT_OR_0, "So many of them are trained with a second seed.", "a quarter of them"),
        "references": Flag(_REFERENCES, "Hand-made networks as large as the budget allows: some of "
                           f"{', '.join(BASELINES)}, or none.", "resnet,quicknet,bars_uniform; with a backbone "
                           "backbone,widened"),
        "train_seeds": Flag(COUNT, "Trainings of each searched network, each reference and the best random network."),
    },
    "Measurement": {
        "measure": Flag(list_of(one_of(*MEASUREMENTS), f"must be some of {', '.join(MEASUREMENTS)}"),
                        f"Some of {', '.join(MEASUREMENTS)}, separated by commas."),
        "rounds": Flag(COUNT, "How often everything is timed, in turn with the bare convolutions."),
        "quick": Flag(boolean, "A small space and few rounds: shows that it works, not how fast it is."),
    },
    "Export": {
        "name": Flag(TEXT, "What the model is called, in Python and in the names of its files."),
        "output": Flag(TEXT, "Directory for the files of the model, new or empty."),
        "overwrite": Flag(boolean, "Writes into a directory that has files, over those of the same names."),
        "allow_float_fallback": Flag(boolean, "Warns, instead of refusing, where the deployment file does not run "
                                     "binary or does not compute what was trained."),
    },
}
RUN, FILES, DATA, SPACE, BUDGET, SEARCH, TRAIN, TUNE, COMPARE, BENCH, EXPORT = map(tuple, FLAGS.values())
ALL = {name: flag for group in FLAGS.values() for name, flag in group.items()}


class Program(NamedTuple):
    purpose: str
    example: str
    flags: tuple[str, ...]
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()  # exactly one of these
    argument: str = ""  # the flag that may be written as its value alone
    suffix: str = ""  # behind the usual name of the work directory


PROGRAMS = {
    "search": Program(
        "Searches a binary network within a budget, rebuilds it, trains it and evaluates it.",
        "bin/search --flagfile=quickstart.flags",
        tuple(n for n in (*RUN, *DATA, *SPACE, *BUDGET, *SEARCH, *TRAIN) if n not in ("json", "precision"))),
    "train": Program(
        "Trains the network of a genotype file, or a reference within a budget, and evaluates it.",
        "bin/train --genotype=runs/NAME/genotype.json --flagfile=quickstart.flags",
        tuple(n for n in ("genotype", "network", *RUN, *DATA, *SPACE, *BUDGET, *TRAIN)
              if n not in ("json", "arch_split", "batch_size", "budgets")), one_of=("genotype", "network")),
    "compare": Program(
        "Trains searched networks, random ones and hand-made ones of equal cost alike, and says how they compare.",
        "bin/compare --genotypes=runs/NAME,runs/OTHER --flagfile=quickstart_compare.flags",
        tuple(n for n in (*RUN, *DATA, *SPACE, *BUDGET, *TRAIN, *COMPARE)
              if n not in ("json", "arch_split", "batch_size", "strategy", "precision", "train_backbone",
                           "budgets")),
        suffix="_compare"),
    "evaluate": Program(
        "Tells the accuracy of a trained network.",
        "bin/evaluate --model=runs/NAME/model.h5 --flagfile=quickstart.flags",
        ("model", "split", "dataset", "data_dir", "image_dir", "image_size", "validation_split", "split_seed",
         "eval_batch_size", "seed", "max_steps", "verbosity", "json"), ("model",)),
    "summary": Program(
        "Tells layers and costs of a genotype file, or what the file of a model holds.",
        "bin/summary --genotype=runs/NAME/genotype.json",
        ("genotype", "model", "image_size", "verbosity", "json")),
    "tune": Program(
        "Tunes settings of a training, or searches networks of a space as a black box, by keras-tuner.",
        "bin/tune --what=training --genotype=runs/NAME/genotype.json --flagfile=quickstart.flags",
        tuple(n for n in ("genotype", *RUN, *DATA, *SPACE, *BUDGET, *TRAIN, *TUNE)
              if n not in ("json", "arch_split", "batch_size", "strategy", "precision", "pretrain_epochs", "teacher",
                           "distillation", "train_backbone", "budgets")), ("what",),
        suffix="_tune"),
    "report": Program(
        "Writes report.html and the figures of a run, finished or not.",
        "bin/report --workdir=runs/NAME",
        ("workdir", "verbosity"), ("workdir",)),
    "runs": Program(
        "Lists the runs below a directory.",
        "bin/runs runs --sort=-test_accuracy",
        ("directory", "sort", "page", "verbosity", "json"), argument="directory"),
    "bench": Program(
        "Measures speed and memory of search and training, beside what the machine needs for the bare convolutions.",
        "bin/bench --space=bars_paper",
        (*BENCH, *SPACE, "batch_size", "image_size", "dataset", "data_dir", "xla", "mixed_precision", "seed",
         "verbosity", "json")),
    "export": Program(
        "Writes a trained network as a Larq Zoo model and as a deployment file, and proves that these are the network.",
        "bin/export --workdir=runs/NAME --name=my_net --output=my_net",
        ("workdir", *EXPORT, "data_dir", "image_dir", "verbosity"), ("workdir", "name", "output")),
}
