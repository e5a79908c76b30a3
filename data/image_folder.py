"""The user's own images, by path.

Either four IDX files in MNIST's format and under MNIST's names, each plain or with `.gz`:

    <path>/train-images-idx3-ubyte   <path>/train-labels-idx1-ubyte
    <path>/t10k-images-idx3-ubyte    <path>/t10k-labels-idx1-ubyte

with 28x28 images whose background is 0; or picture files (see `pictures`), one folder per class:

    <path>/train/<class>/*.png   <path>/test/<class>/*.png
"""

import logging
import os
from pathlib import Path

import numpy as np

from data import idx, pictures
from data.errors import UserError
from data.files import user_path
from data.images import Images, ImageSets, checked

IDX_NAMES = {"train": "train", "test": "t10k"}


def load(path: str | Path) -> ImageSets:
    """Loads the user's own images.

    The classes of picture files are the sorted names of their folders; the classes of IDX files
    are the numbers up to the largest label. Training pictures are in a fixed random order (so
    that holding out the last of them holds out some of each class); everything else is in the
    order of the files or of their names.

    Raises:
      UserError: the path does not exist or has neither layout, a file is damaged or missing, a
        class is empty, or a test class is not among the training classes.
    """
    folder = user_path(path)
    if not os.path.isdir(folder):
        raise UserError(f"{folder} is not a folder; give the path to a folder of images.")
    if any(folder.glob("*-ubyte*")):
        return checked(_load_idx(folder), str(folder))
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        return checked(_load_pictures(folder), str(folder))
    raise UserError(
        f"{folder} holds neither four IDX files under MNIST's names nor the folders "
        "train/<class> and test/<class>; lay it out in one of these ways."
    )


def _load_idx(folder: Path) -> ImageSets:
    train, test = (
        Images(
            idx.read_images(_idx_file(folder, f"{name}-images-idx3-ubyte")),
            idx.read_labels(_idx_file(folder, f"{name}-labels-idx1-ubyte")),
        )
        for name in IDX_NAMES.values()
    )
    untrained = sorted(set(test.labels.tolist()) - set(train.labels.tolist()))
    if untrained:
        raise UserError(
            f"{folder}: label {untrained[0]} occurs in the test set but not in the training set; "
            "add training images of that class or remove it from the test set."
        )
    largest = int(train.labels.max(initial=0))
    return ImageSets(train, test, tuple(str(label) for label in range(largest + 1)))


def _idx_file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise UserError(f"{folder / name} is missing; put it there, plain or as {name}.gz.")


def _load_pictures(folder: Path) -> ImageSets:
    classes = _classes(folder / "train")
    for name in _classes(folder / "test"):
        if name not in classes:
            raise UserError(
                f"{folder / 'test' / name} is a class that {folder / 'train'} does not have; "
                "add training images of it or remove it from the test set."
            )
    (train, train_labels), (test, test_labels) = (
        _labelled(folder / split, classes) for split in ("train", "test")
    )
    images = pictures.read([*train, *test])
    train_images, test_images = images[: len(train)], images[len(train) :]
    order = np.random.default_rng(0).permutation(len(train))
    return ImageSets(
        Images(train_images[order], train_labels[order]),
        Images(test_images, test_labels),
        classes,
    )


def _classes(folder: Path) -> tuple[str, ...]:
    names = tuple(path.name for path in _visible(folder) if path.is_dir())
    if not names:
        raise UserError(f"{folder} has no classes; make a folder of pictures for each class there.")
    return names


def _labelled(folder: Path, classes: tuple[str, ...]) -> tuple[list[Path], np.ndarray]:
    """The picture files of a split and their labels; raises UserError for an empty class folder."""
    files: list[Path] = []
    labels: list[int] = []
    others: list[Path] = []
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():
            continue  # the test set may lack a class
        paths = _visible(folder / name)
        found = [path for path in paths if pictures.is_picture(path)]
        others += sorted(set(paths) - set(found))
        if not found:
            raise UserError(
                f"{folder / name} has no pictures; add some ({', '.join(pictures.ENDINGS)}) or "
                "delete the folder."
            )
        files += found
        labels += [label] * len(found)
    if others:
        logging.getLogger(__name__).warning(
            "%s: %d files or folders are left out, such as %s; pictures are called %s",
            folder, len(others), others[0], ", ".join(f"*{end}" for end in pictures.ENDINGS),
        )  # fmt: skip
    return files, np.array(labels, np.int32)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
