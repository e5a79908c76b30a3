"""Labelled images of 28x28 pixels by the name of a data set, or from the user's own folder."""

from collections.abc import Sequence

from data import digits, image_folder, mnist
from data.errors import UserError
from data.images import ImageSets


def load(
    dataset: str, data_dir: str = "", raw_dir: str = "", others: Sequence[str] = ()
) -> ImageSets:
    """The images that `--dataset` names.

    Args:
      dataset: digits, mnist, or the path of a folder.
      data_dir, raw_dir: of the options; empty: the default ones.
      others: further names that the experiment knows itself, for the error.

    Raises:
      UserError: there is no such data set, or it cannot be read.
    """
    if dataset == "digits":
        return digits.load()
    if dataset == "mnist":
        return mnist.load(data_dir or None, raw_dir or None)
    if "/" in dataset or dataset.startswith("."):
        return image_folder.load(dataset)
    raise UserError(
        f"--dataset={dataset}: choose {', '.join([*others, 'digits', 'mnist'])}, or a folder's "
        f"path such as ./{dataset}."
    )
