"""Natural images, whitened, and patches of them, to learn filters from.

photographs        china.jpg and flower.jpg of scikit-learn, 427x640
olshausen_images   the ten images of Olshausen and Field 1996, whitened by them, 512x512

A path names a folder of the user's own pictures, of any sizes; they are read in grey.

The amplitudes of natural images fall as 1 / f. Whitening (Olshausen and Field 1997) makes them flat
and leaves out the highest frequencies, where there is noise and the grid of the pixels:

    R(f) = f exp(-(f / f0)^4)        f0 = 0.4 cycles a pixel

The 8x8 blocks of a JPEG file would be learned as filters. They lie at every place of a patch, since
patches are drawn anywhere, and pictures are halved in size first (`shrunk`), which blurs the edges
between blocks and the noise.
"""

import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data import pictures
from data.errors import UserError
from data.files import user_path
from data.raw import RawFile, given_file

CUTOFF = 0.4  # f0
GREY = np.array([0.299, 0.587, 0.114])  # the luma of ITU-R BT.601
VARIANCE = 0.1  # of a pixel, on average over images, as the authors' program asks for
BORDER = 4  # pixels at the rim that no patch covers
OLSHAUSEN = RawFile(
    "olshausen_images", "images.tar.xz", ("http://www.rctn.org/bruno/sparsenet/",), 9_700_820,
    "ed35b5bbcdaf9b971d2f7e65b7249bbd6e7665edf00d8f83e29cf401d7c9849b",
)  # fmt: skip
SIDE, COUNT = 512, 10  # of the authors' images
NAMES = ("photographs", "olshausen_images")


def load(dataset: str, raw_dir: str | None = None) -> list[np.ndarray]:
    """Whitened images float32 [H, W], of mean 0 and a common scale: VARIANCE on average.

    Raises:
      UserError: there is no such data set, or a file is missing, damaged or of one shade.
    """
    if dataset == "olshausen_images":
        images = _olshausen(raw_dir)
    elif dataset == "photographs":
        images = [whitened(shrunk(image)) for image in _photographs()]
    elif "/" in dataset or dataset.startswith("."):
        images = [whitened(image) for image in _pictures(user_path(dataset))]
    else:
        raise UserError(
            f"--dataset={dataset}: choose one of {', '.join(NAMES)}, or a folder of pictures such "
            f"as ./{dataset}."
        )
    scale = np.sqrt(VARIANCE / np.mean([image.var() for image in images]))
    return [np.float32(scale * (image - image.mean())) for image in images]


def whitened(image: np.ndarray, cutoff: float = CUTOFF) -> np.ndarray:
    """An image [H, W] filtered by R(f); it is mirrored at its rim, so that it has no edge there."""
    margin = min(32, *image.shape)
    padded = np.pad(image - image.mean(), margin, mode="symmetric")
    vertical, horizontal = np.fft.fftfreq(padded.shape[0]), np.fft.rfftfreq(padded.shape[1])
    frequency = np.hypot(vertical[:, None], horizontal)
    amplitude = frequency * np.exp(-((frequency / cutoff) ** 4))
    filtered = np.fft.irfft2(np.fft.rfft2(padded) * amplitude, padded.shape)
    return filtered[margin:-margin, margin:-margin]


def shrunk(image: np.ndarray) -> np.ndarray:
    """The means of 2x2 pixels of an image [H, W]; an odd last row or column is left out."""
    height, width = (n // 2 for n in image.shape)
    return image[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))


def patches(
    images: Sequence[np.ndarray], generator: np.random.Generator, count: int, side: int
) -> np.ndarray:
    """Patches float32 [count, side * side] from anywhere in the images, each as likely.

    Raises:
      UserError: an image is too small.
    """
    rooms = np.array([image.shape for image in images]) - 2 * BORDER - side + 1
    if rooms.min() < 1:
        least = side + 2 * BORDER
        raise UserError(
            f"A patch of {side}x{side} pixels needs images of {least}x{least} after halving; the "
            "smallest is too small: give a smaller --side, or larger pictures."
        )
    chosen = generator.integers(len(images), size=count)
    corners = BORDER + (generator.random((count, 2)) * rooms[chosen]).astype(int)
    return np.stack([
        images[i][row : row + side, column : column + side].ravel()
        for i, (row, column) in zip(chosen, corners, strict=True)
    ])  # fmt: skip


def spectrum(images: Sequence[np.ndarray], bins: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """The mean amplitude of the images' frequencies, by rings: (cycles a pixel, amplitudes)."""
    edges = np.linspace(0, 0.5, bins + 1)
    sums, counts = np.zeros(bins), np.zeros(bins)
    for image in images:
        amplitude = np.abs(np.fft.fft2(image)) / np.sqrt(image.size)
        axes = [np.fft.fftfreq(n) for n in image.shape]
        ring = np.digitize(np.hypot(axes[0][:, None], axes[1]), edges) - 1
        inside = ring < bins
        sums += np.bincount(ring[inside], amplitude[inside], bins)
        counts += np.bincount(ring[inside], minlength=bins)
    return (edges[1:] + edges[:-1]) / 2, sums / np.maximum(counts, 1)


def _photographs() -> list[np.ndarray]:
    from sklearn.datasets import load_sample_images  # takes most of a second

    return [image @ GREY for image in load_sample_images().images]


def _olshausen(raw_dir: str | None) -> list[np.ndarray]:
    path = given_file(OLSHAUSEN, raw_dir)
    with tarfile.open(path) as archive:
        content = [archive.extractfile(f"images/image{i}").read() for i in range(COUNT)]
    return [np.frombuffer(image, ">f4").reshape(SIDE, SIDE) for image in content]


def _pictures(folder: Path) -> list[np.ndarray]:
    """The pictures in a folder, halved in size, in the order of their names."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the path to a folder of pictures.")
    paths = [path for path in sorted(folder.iterdir()) if pictures.is_picture(path)]
    if not paths:
        raise UserError(f"{folder} holds no pictures; put some there, such as PNG or JPEG files.")
    return [_halved(path) for path in paths]


def _halved(path: Path) -> np.ndarray:
    image = shrunk(pictures.grey(path).astype(float))
    if not image.size or np.ptp(image) <= pictures.FAINT:
        raise UserError(f"{path} is too small, or of one shade once it is halved; remove it.")
    return image
