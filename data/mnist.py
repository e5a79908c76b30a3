"""MNIST: 60,000 training and 10,000 test images of handwritten digits (LeCun et al. 1998).

The four published files are checked against their SHA-256, prepared once with TensorFlow Datasets
(without TensorFlow), and from then on read back in a fraction of a second.
"""

from pathlib import Path

from data import raw
from data.images import Images, ImageSets, checked

CLASSES = tuple("0123456789")
SIZES = (60_000, 10_000)  # images in training and test set
ADDRESSES = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)


def _file(name: str, size: int, sha256: str) -> raw.RawFile:
    return raw.RawFile("mnist", name, tuple(base + name for base in ADDRESSES), size, sha256)


FILES = {  # split -> (images, labels)
    "train": (
        _file(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        _file(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
    ),
    "test": (
        _file(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        _file(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
}


def load(data_dir: str | Path | None = None, raw_dir: str | Path | None = None) -> ImageSets:
    """Loads MNIST in the published order, after preparing it if that has not been done yet.

    Args:
      data_dir: folder of prepared data; default TFDS's own (the environment variable
        TFDS_DATA_DIR, or `~/tensorflow_datasets`).
      raw_dir: folder of raw files, `<raw_dir>/mnist/<file>`, used instead of downloading; default
        the environment variable UNFOLD_RAW_DIR. Files there are checked at every load, even if
        the data is prepared already, so that a wrong file never goes unnoticed.

    Raises:
      UserError: a raw file cannot be obtained or is not the published one; the prepared data is
        damaged or cannot be written.
    """
    # Imported late: TFDS takes a quarter of a second to import, and only MNIST needs it.
    from data import mnist_builder

    if raw.chosen_raw_dir(raw_dir) is not None:
        _raw_paths(raw_dir, download_dir="")
    builder = mnist_builder.opened(data_dir, sums())
    if not builder.data_path.exists():
        root = builder.data_path.parent.parent
        paths = _raw_paths(raw_dir, root / "downloads")
        mnist_builder.prepare(builder, paths, sums())
        builder = mnist_builder.opened(data_dir, sums())
    train, test = (Images(*mnist_builder.read(builder, split)) for split in FILES)
    if (len(train.labels), len(test.labels)) != SIZES:
        raise mnist_builder.damaged(builder.data_path.parent)
    return checked(ImageSets(train, test, CLASSES), str(builder.data_path))


def sums() -> dict[str, str]:
    """The SHA-256 of each raw file by name, stored with the prepared data."""
    return {file.name: file.sha256 for files in FILES.values() for file in files}


def _raw_paths(raw_dir: str | Path | None, download_dir: str | Path) -> dict[str, tuple[Path, ...]]:
    return {
        split: tuple(raw.raw_file(file, raw_dir, download_dir) for file in files)
        for split, files in FILES.items()
    }
