"""The train block of a sweep file, with its attention block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from abl.spec.attention import Attention
from abl.spec.base import Part
from abl.spec.data import Image, Phantom

OF_PAIRS = "fusion"  # the setting of Train that is of pairs of images alone


class Optimizer(Part):
    """Betas and eps are PyTorch's defaults, which are the published ones of Adam."""

    name: Literal["adam", "adamw", "sgd"] = Field("adam", description="Optimizer.")
    lr: Annotated[float, Field(gt=0)] = Field(1e-3, description="Learning rate.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="Weight decay.")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="Only for sgd.")

    DECIDES_WITH: ClassVar[Mapping[str, tuple[str, Any]]] = {"momentum": ("name", "sgd")}


class Schedule(Part):
    """Learning rate over epochs."""

    name: Literal["constant", "step", "cosine"] = Field("constant", description="Schedule.")
    every: Annotated[int, Field(ge=1)] = Field(5, description="step: epochs between drops.")
    factor: Annotated[float, Field(gt=0, le=1)] = Field(0.2, description="step: multiplied by.")
    warmup: Annotated[int, Field(ge=0)] = Field(0, description="Epochs of linear warm-up.")

    DECIDES_WITH: ClassVar[Mapping[str, tuple[str, Any]]] = dict.fromkeys(
        ("every", "factor"), ("name", "step")
    )


class Augment(Part):
    """Random changes of each training image, drawn anew every epoch, on whole batches."""

    flip: bool = Field(True, description="Left-right reflection, half of the time.")
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = Field(
        30.0, description="Rotation, uniform in [-x, x] degrees."
    )
    crop: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Random crop: smallest side of the window as a share; 1 is none."
    )
    gain: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Brightness factor, uniform in [1 - x, 1 + x]."
    )
    of: Literal["all", "copies"] = Field(
        "all",
        description="Which of the images that an epoch shows are changed: all, or of each image "
        "all but the first, so the copies that balance makes.",
    )
    views: Annotated[int, Field(ge=0, le=1000)] = Field(
        0,
        description="0: drawn anew every epoch. K: every epoch shows one of K fixed views of each "
        "image, the first of which is the image itself, the same for all arms; then features of "
        "frozen layers can be kept. 1: no augmentation.",
    )

    @property
    def fixed_views(self) -> int:
        """K, 1 if nothing is changed at all, 0 if every epoch draws anew."""
        still = not self.flip and not self.rotate_deg and self.crop == 1 and not self.gain
        return 1 if still else self.views


class EarlyStop(Part):
    """Stop when a validation metric has not improved. Off in ablations: arms must train alike."""

    patience: Annotated[int, Field(ge=1)] = Field(5, description="Epochs without improvement.")
    metric: Literal["loss", "accuracy"] = Field("loss", description="Measured on validation.")
    restore_best: bool = Field(True, description="Predict with the best epoch's weights.")


class Pretrain(Part):
    """A stage that trains the same network on generated images of another task, once.

    The source task shares speckle and edges with the generated diagnosis, not its class features.
    """

    pretrain: Phantom = Field(description="The source images, e.g. {task: source, patients: 400}.")
    epochs: Annotated[int, Field(ge=1, le=10000)] = Field(10, description="Epochs.")
    lr: Annotated[float, Field(gt=0)] = Field(1e-3, description="Learning rate.")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="One for all arms and replicates.")


Balance = Literal["none", "duplicate", "subsample", "sampler", "loss"]


class Train(Part):
    """How a network is trained."""

    network: str = Field(
        "cnn1", description="cnn1, cnn2, a torchvision or timm classifier, or one from `module:`."
    )
    weights: str | Pretrain = Field(
        "none",
        description="none, imagenet (torchvision's or timm's hub), a safetensors or state-dict "
        "file, or {pretrain: {task: source, ...}}: a stage that every arm shares.",
    )
    head: str = Field(
        "fc",
        description="Classifier behind the last feature map: fc (the network's own), gap (global "
        "average), spp (spatial pyramid, then the network's own layers).",
    )
    spp_levels: tuple[Annotated[int, Field(ge=1, le=32)], ...] = Field(
        (4, 2, 1), min_length=1, description="spp: bins a side at each level."
    )
    fusion: str = Field(
        "none",
        description="How two modalities (data: {modality: both}) become one prediction: early, "
        "late, late_shared, gated, cross_attention; none for one modality.",
    )
    attention: Attention = Field(Attention())
    frozen: Annotated[int, Field(ge=0)] | str = Field(
        0,
        union_mode="left_to_right",
        description="Frozen part: n, the first n convolutions (of a transformer: blocks), or "
        "'stage k'; see `abl list network NAME`. In two extractors it holds for each.",
    )
    frozen_precision: Literal["fp32", "fp16"] = Field(
        "fp32", description="In which features of the frozen part are kept."
    )
    epochs: Annotated[int, Field(ge=1, le=10000)] = Field(10, description="Epochs.")
    last_k: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="The prediction is the mean softmax of the last k epochs."
    )
    batch_size: Annotated[int, Field(ge=1, le=65536)] = Field(32, description="Images a step.")
    micro_batch: Annotated[int, Field(ge=0)] = Field(
        0, description="Images a forward pass, gradients summed; 0 is the whole batch."
    )
    optimizer: Optimizer = Field(Optimizer())
    schedule: Schedule = Field(Schedule())
    balance: Balance = Field(
        "duplicate",
        description="Classes: as they are; minority duplicated at random; majority subsampled; "
        "weighted sampling; weights in the loss.",
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Share of the training part's patients of each class that train; those of a "
        "smaller share are among those of a larger one.",
    )
    shuffle: Literal["epoch", "once"] = Field(
        "epoch", description="Images are put in a new order every epoch, or once, before the first."
    )
    augment: Augment = Field(Augment())
    early_stop: EarlyStop | None = Field(None, description="Off unless given.")
    dynamics: bool = Field(
        False,
        description="Keep logits of the training images after each epoch (float16), of trainings "
        "on a whole training part, for scores that find wrong labels. These are then trained anew, "
        "to the same weights.",
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="Autocast of all but the last layer; fp16 on GPUs alone."
    )
    memory_format: Literal["auto", "contiguous", "channels_last"] = Field(
        "auto",
        description="Order of images and feature maps in memory. auto: channels_last for "
        "convolutional networks on CPUs, contiguous for others, for parts of a file of your own, "
        "and on GPUs. What is chosen is part of what is trained.",
    )
    channels_last: bool | None = Field(
        None,
        exclude=True,
        description="Earlier spelling: yes is memory_format: channels_last, no is contiguous.",
    )
    bundle: Annotated[int, Field(ge=2, le=1024)] | Literal["auto", "none"] = Field(
        "auto",
        description="Trainings of one shape that run as one program at most, their weights "
        "stacked: N; none; auto, where that was measured to be faster (nowhere yet).",
    )
    threads: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="CPU threads of one training; other counts give other bits."
    )
    deterministic: bool = Field(True, description="Deterministic algorithms only.")

    # a stage that says nothing of it is of the time when contiguous was the default
    IDENTITY_DEFAULTS: ClassVar[Mapping[str, Any]] = {"channels_last": False}

    @model_validator(mode="before")
    @classmethod
    def _memory_format_by_either_name(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("channels_last") is None:
            return given
        try:
            was = TypeAdapter(bool).validate_python(given["channels_last"])
        except ValidationError:
            return given  # the field says so
        said = "channels_last" if was else "contiguous"
        if given.get("memory_format", "auto") not in ("auto", said):
            raise ValueError("channels_last: leave it out, memory_format says the same")
        return {k: v for k, v in given.items() if k != "channels_last"} | {"memory_format": said}

    def as_first_spelled(self, identity: dict[str, Any]) -> dict[str, Any]:
        """See Part: `channels_last: true`, or nothing."""
        identity.pop("memory_format", None)
        return identity | ({"channels_last": True} if self.is_channels_last else {})

    @property
    def is_channels_last(self) -> bool:
        """Whether that was chosen. Where nobody chose (`auto`, outside a plan), it was not."""
        return self.memory_format == "channels_last"

    @model_validator(mode="after")
    def _last_k_fits(self) -> Train:
        if self.last_k > self.epochs:
            said = ""
            if self.last_k == type(self).model_fields["last_k"].default:  # written or not
                said = f" ({self.last_k} is its default: write last_k: {self.epochs} or less)"
            raise ValueError(f"last_k: {self.last_k} is more than epochs: {self.epochs}{said}")
        return self

    @property
    def components(self) -> dict[str, str]:
        """Role -> name of what it is made of that a user's own file can add to."""
        return {
            "network": self.network,
            "head": self.head,
            "fusion": self.fusion,
            "variant": self.attention.variant,
        }

    def has_fixed_front(self, image: Image) -> bool:
        """Whether something is frozen that sees the same images, of one shape, in every epoch."""
        return (
            self.frozen != 0
            and self.augment.fixed_views > 0
            and image.fit == "square"
            and self.attention.variant == "none"
        )

    @property
    def weights_file(self) -> str | None:
        """The file that weights are read from, if they are."""
        given = self.weights
        return given if isinstance(given, str) and given not in ("none", "imagenet") else None
