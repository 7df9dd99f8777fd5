"""Settings of the training of a network."""

import dataclasses

from bars_tf.errors import InputError

# The teacher that the run trains itself: the float twin of the network, or of its backbone.
TWIN = "twin"


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Attributes:
        train_epochs: number of epochs.
        train_batch_size: images in a step.
        train_optimizer: "adam" or "sgd".
        train_lr: peak learning rate, which falls to 0 along a cosine.
        train_warmup_epochs: number of first epochs, in which the learning rate rises linearly.
        label_smoothing: fraction of a label that is spread over all classes.
        dropout: fraction of the features that is dropped before the classifier.
        train_clip_norm: limit of the global norm of the gradient; 0 for none.
        precision: "binary", or "float" for the float twin.
        pretrain_epochs: epochs with binary activations and float kernels before the training.
        teacher: `TWIN`, or the path of a Keras model that maps the images to logits; None for no teacher.
        distillation: fraction of the loss that is the distance to the teacher.
        train_backbone: whether the plain backbone of the space is also trained.
        xla: whether the training step is compiled by XLA.
        mixed_precision: whether activations and gradients are bfloat16.

    Raises:
        InputError: settings exclude each other.
    """

    train_epochs: int = 200
    train_batch_size: int = 128
    train_optimizer: str = "adam"
    train_lr: float = 1e-3
    train_warmup_epochs: int = 0
    label_smoothing: float = 0.0
    dropout: float = 0.0
    train_clip_norm: float = 5.0
    precision: str = "binary"
    pretrain_epochs: int = 0
    teacher: str | None = None
    distillation: float | None = None
    train_backbone: bool = False
    xla: bool = False
    mixed_precision: bool = False

    def __post_init__(self):
        if self.train_warmup_epochs >= self.train_epochs:
            raise InputError.of("train_warmup_epochs", self.train_warmup_epochs,
                                f"must be below --train_epochs={self.train_epochs}; give both")
        for name in ("pretrain_epochs", "teacher"):
            if getattr(self, name) and self.precision == "float":
                raise InputError.of(name, getattr(self, name), "has no place in the training of a float twin "
                                    "(--precision=float)")
        if self.distillation is not None and not self.teacher:
            raise InputError.of("distillation", self.distillation, f"needs --teacher={TWIN} or --teacher=FILE.h5")
