"""`bin/train`: trains and evaluates the network of a genotype, or a baseline network."""

from bars_tf import console
from bars_tf.cli import inputs, workdir
from bars_tf.cli.finish import finish
from bars_tf.cli.settings import Settings, budget_flag
from bars_tf.compare import baselines
from bars_tf.cost.tables import cost_at
from bars_tf.data.splits import load_splits
from bars_tf.errors import InputError, as_text, blame
from bars_tf.export import named, zoo
from bars_tf.legacy_keras import tf
from bars_tf.report.run_files import GENOTYPE
from bars_tf.space.genotype import Genotype
from bars_tf.training import distribution, environment


def main(settings: Settings) -> None:
    values = settings.values
    if values["network"] in named.names():
        raise InputError.of("network", values["network"], "is trained already; --genotype="
                            f"{named.PREFIX}{values['network']} trains it further")
    if values["network"] and not settings.has_budget:
        raise InputError.of("network", values["network"], "needs a budget: --budget_bops=15M, say, or another measure")
    is_named = (values["genotype"] or "").startswith(named.PREFIX)
    if is_named and settings.training.precision != "binary":
        raise InputError.of("precision", settings.training.precision, "a named network has binary weights; "
                            "save its genotype as a file, by bars.zoo.genotype")
    genotype = inputs.read_genotype(settings) if values["genotype"] else None
    directory = workdir.claim(settings, "train")
    trained = directory / GENOTYPE
    if genotype and trained.exists() and Genotype.load(trained) != genotype:
        raise InputError.of("workdir", settings.run.workdir, f"trains another genotype than --genotype="
                            f"{values['genotype']}; choose another directory")
    strategy = environment.initialize(settings.run)
    images = load_splits(settings.data)
    limits = inputs.given_budget(settings, images)
    with blame("network", values["network"]):
        network = genotype or baselines.make(values["network"], settings.search_space, limits, images.image_shape,
                                             images.num_classes, values["blocks"])
    images.read()
    inputs.check_training(settings, images, strategy)
    if genotype and settings.training.train_backbone and not genotype.space.backbone:
        raise InputError.of("train_backbone", True, "the network of --genotype has no backbone")
    with blame("genotype" if genotype else "network", values["genotype"] or values["network"]):
        network.space.check_image(images.image_shape)
    if genotype:  # it is trained all the same
        cost = cost_at(genotype, images.image_shape, images.num_classes, settings.limits.device)
        for name, limit in settings.limits.exceeded(cost).items():
            console.say(f"note: the network of --genotype has {getattr(cost, name):,.0f} {name}, above "
                        f"--{budget_flag(name)}={as_text(limit)}")
    initial = None
    if is_named:
        tf.keras.utils.set_random_seed(settings.run.seed)  # of a classifier for other classes
        with blame("genotype", values["genotype"]):
            initial = zoo.load(values["genotype"].removeprefix(named.PREFIX), num_classes=images.num_classes,
                               input_shape=images.image_shape)
    workdir.keep(settings, "train", images.train.sha256)
    if settings.run.is_chief:
        network.save(trained, images.image_shape, images.num_classes)
    found = {"reference": values["network"], "blocks": values["blocks"]} if values["network"] else {}
    with distribution.all_workers():
        finish(settings.training, settings.run, images, network, directory, strategy,
               limits if values["network"] else settings.limits, initial, **found)
