"""Colour images of ten classes: the first 8,000 and 1,000 images of CIFAR-10, Krizhevsky 2009.

They are cut from the published set's two parts in its order and kept as NumPy files; what is
published is an archive of pickled objects, which are code and are not read.
"""

import io
import lzma
from typing import NamedTuple

import numpy as np

from data.raw import RawFile, given_file

SIDE = 32
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_URLS = ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",)


def _file(name: str, size: int, sha256: str) -> RawFile:
    return RawFile("cifar10_subset", f"cifar10_{name}", _URLS, size, sha256)


FILES = {
    "train": (
        _file("train_first8000.npy.xz", 16_324_812,
              "c90bd27ea6591c59f0eb06086e601b4f7fd74d34faad2021405cf67e695252a0"),
        _file("train_first8000_labels.npy", 8_128,
              "e9dd8c00e287d8b5155869c9df8ed1c4c24a1b2d49c603b8df4a1e750a369f48"),
    ),
    "test": (
        _file("test_first1000.npy.xz", 2_047_828,
              "1c69124b543d2d740f40f4e0d5e38c0d9d0bee7e63af80a8169c66c5ff61c14d"),
        _file("test_first1000_labels.npy", 1_128,
              "6988dd2f6284b6f7aedd9bd0d908439f0a7edff3776195add3af3aa053ea8ed3"),
    ),
}  # fmt: skip


class ColourImages(NamedTuple):
    """Labelled colour images."""

    images: np.ndarray  # uint8 [N, 32, 32, 3]
    labels: np.ndarray  # int32 [N]


def load(raw_dir: str | None = None) -> dict[str, ColourImages]:
    """The subset's parts `train` and `test`; raises UserError where a file is missing or wrong."""
    return {split: _part(*files, raw_dir) for split, files in FILES.items()}


def _part(images: RawFile, labels: RawFile, raw_dir: str | None) -> ColourImages:
    packed = given_file(images, raw_dir).read_bytes()
    content = io.BytesIO(lzma.decompress(packed))
    numbers = np.load(given_file(labels, raw_dir), allow_pickle=False)
    return ColourImages(np.load(content, allow_pickle=False), numbers.astype(np.int32))


class Whitening(NamedTuple):
    """Zero-phase whitening of flat images [D]: (x - mean) @ matrix, and back by `inverse`."""

    mean: np.ndarray
    matrix: np.ndarray
    inverse: np.ndarray


def contrast_normalised(images: np.ndarray, bias: float = 10.0) -> np.ndarray:
    """uint8 [N, ...] to float32 [N, D]: each image less its mean, over sqrt(bias + variance).

    Global contrast normalisation as in pylearn2, whose bias for these images is 10.
    """
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    return flat / np.sqrt(bias + flat.var(1, keepdims=True, ddof=1))


def zca(examples: np.ndarray, bias: float = 0.1) -> Whitening:
    """The whitening of examples [N, D] by their covariance, plus `bias` in every direction."""
    mean = examples.mean(0)
    values, vectors = np.linalg.eigh(np.cov(examples - mean, rowvar=False).astype(np.float32))
    scales = np.sqrt(np.maximum(values, 0) + bias)
    return Whitening(mean, vectors / scales @ vectors.T, vectors * scales @ vectors.T)
