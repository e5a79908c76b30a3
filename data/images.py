"""Labelled grey images of 28x28 pixels, as in MNIST, and the checks that all sources must pass."""

from typing import NamedTuple

import numpy as np

from data.errors import UserError

SIDE = 28


class Images(NamedTuple):
    """Labelled grey images as stored: 0 is background, 255 is full ink."""

    images: np.ndarray  # [N, 28, 28] uint8
    labels: np.ndarray  # [N] int32


class ImageSets(NamedTuple):
    """A training set, a test set, and the names of their classes by label."""

    train: Images
    test: Images
    classes: tuple[str, ...]


def checked(sets: ImageSets, source: str) -> ImageSets:
    """Returns `sets` unchanged if it is sound.

    Args:
      sets: the image sets to check.
      source: where they come from, for error messages.

    Raises:
      UserError: a set is empty, does not have one label per image, has images of another size or
        type, or has a label without a class; or all training images are of one class.
    """
    for split, (images, labels) in (("training", sets.train), ("test", sets.test)):
        if len(images) != len(labels):
            raise UserError(
                f"{source}: the {split} set has {len(images)} images but {len(labels)} labels; "
                "use an image file and a label file that belong together."
            )
        if len(images) == 0:
            raise UserError(f"{source}: the {split} set is empty; add at least one image.")
        if images.shape[1:] != (SIDE, SIDE) or images.dtype != np.uint8:
            shape = "x".join(map(str, images.shape[1:]))
            raise UserError(
                f"{source}: the {split} images are {shape} {images.dtype}; "
                f"convert them to {SIDE}x{SIDE} uint8."
            )
        if labels.min() < 0 or labels.max() >= len(sets.classes):
            raise UserError(
                f"{source}: the {split} labels run from {labels.min()} to {labels.max()}; "
                f"with {len(sets.classes)} classes they must be between 0 and "
                f"{len(sets.classes) - 1}."
            )
    if len(set(sets.train.labels.tolist())) < 2:
        name = sets.classes[sets.train.labels[0]]
        raise UserError(
            f"{source}: all training images are of class {name}, so that there is nothing to tell "
            "apart; add images of another class."
        )
    return sets


def hold_out(sets: ImageSets, count: int) -> tuple[Images, Images]:
    """Holds out the last `count` training examples as a validation set: (train, valid).

    Raises:
      UserError: `count` is negative or leaves no training example.
    """
    size = len(sets.train.labels)
    if not 0 <= count < size:
        raise UserError(
            f"{count} validation examples were requested, but the training set has {size} "
            f"examples; choose between 0 and {size - 1}."
        )
    kept = size - count
    images, labels = sets.train
    return Images(images[:kept], labels[:kept]), Images(images[kept:], labels[kept:])
