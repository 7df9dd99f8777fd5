"""Settings of the training of a network."""

import dataclasses

from bars_tf.errors import InputError

# The teacher that the run trains itself: the float twin of the network, or of its backbone.
TWIN = "twin"


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained. Raises InputError where settings exclude each other."""

    train_epochs: int = 200  # number of epochs
    train_batch_size: int = 128  # images in a step
    train_optimizer: str = "adam"  # "adam" or "sgd"
    train_lr: float = 1e-3  # peak learning rate, which falls to 0 along a cosine
    train_warmup_epochs: int = 0  # number of first epochs, in which the learning rate rises linearly
    label_smoothing: float = 0.0  # fraction of a label that is spread over all classes
    dropout: float = 0.0  # fraction of the features that is dropped before the classifier
    train_clip_norm: float = 5.0  # limit of the global norm of the gradient; 0 for none
    precision: str = "binary"  # "binary", or "float" for the float twin
    pretrain_epochs: int = 0  # epochs with binary activations and float kernels before the training
    teacher: str | None = None  # `TWIN`, or the path of a Keras model from the images to logits; None for none
    distillation: float | None = None  # fraction of the loss that is the distance to the teacher
    train_backbone: bool = False  # whether the plain backbone of the space is also trained
    xla: bool = False  # whether the training step is compiled by XLA
    mixed_precision: bool = False  # whether activations and gradients are bfloat16

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
