"""The train block of a sweep file: network, weights, optimizer, schedule, balance, augmentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from abl.spec.attention import Attention
from abl.spec.base import Part
from abl.spec.data import Image, Phantom


class Optimizer(Part):
    """Betas and eps are PyTorch's defaults, which are the published ones of Adam."""

    name: Literal["adam", "adamw", "sgd"] = Field("adam", description="Optimizer.")
    lr: Annotated[float, Field(gt=0)] = Field(1e-3, description="Learning rate.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="Weight decay.")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="Only for sgd.")


class Schedule(Part):
    """Learning rate over epochs."""

    name: Literal["constant", "step", "cosine"] = Field("constant", description="Schedule.")
    every: Annotated[int, Field(ge=1)] = Field(5, description="step: epochs between drops.")
    factor: Annotated[float, Field(gt=0, le=1)] = Field(0.2, description="step: multiplied by.")
    warmup: Annotated[int, Field(ge=0)] = Field(0, description="Epochs of linear warm-up.")


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
    balance: Literal["none", "duplicate", "subsample", "sampler", "loss"] = Field(
        "duplicate",
        description="Classes: as they are; minority duplicated at random; majority subsampled; "
        "weighted sampling; weights in the loss.",
    )
    augment: Augment = Field(Augment())
    early_stop: EarlyStop | None = Field(None, description="Off unless given.")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32", description="Autocast of the forward pass (bf16 and fp16 on GPUs)."
    )
    channels_last: bool = Field(False, description="Memory layout for GPUs.")
    threads: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="CPU threads of one training; other counts give other bits."
    )
    deterministic: bool = Field(True, description="Deterministic algorithms only.")

    @model_validator(mode="after")
    def _last_k_fits(self) -> Train:
        if self.last_k > self.epochs:
            raise ValueError(f"last_k: {self.last_k} is more than epochs: {self.epochs}")
        return self

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
