"""scikit-learn's bundled handwritten digits, in the format of MNIST; no download.

These are the 1,797 test images of the UCI set "Optical Recognition of Handwritten Digits"
(Alpaydin and Kaynak 1998): 43 people wrote on forms, 13 of them for this part; strokes were
counted in 4x4 cells of a 32x32 bitmap, which gives 8x8 pixels of 0 to 16. It is not MNIST: it is
easier, and error rates on it stand beside no published figure of MNIST's.

The file names no writers, but seems to keep them one after another. So the last 360 images are the
test set: at most one writer should then be in both sets, where a random split would put every
writer into both and flatter the result.
"""

import numpy as np

from data.images import SIDE, Images, ImageSets, checked

TEST_SIZE = 360
BOX = 20  # MNIST's digits fill a box of 20x20 pixels inside their 28x28
FULL = 16  # the greatest value of an 8x8 pixel


def load() -> ImageSets:
    """Loads 1,437 training and 360 test images of the ten digits."""
    from sklearn.datasets import load_digits  # takes most of a second

    digits = load_digits()
    images, labels = as_mnist(digits.images), digits.target.astype(np.int32)
    sets = ImageSets(
        Images(images[:-TEST_SIZE], labels[:-TEST_SIZE]),
        Images(images[-TEST_SIZE:], labels[-TEST_SIZE:]),
        tuple("0123456789"),
    )
    return checked(sets, "scikit-learn's digits")


def as_mnist(small: np.ndarray) -> np.ndarray:
    """Enlarges [N, 8, 8] of 0 to 16 smoothly to 20x20 in the middle of uint8 [N, 28, 28]."""
    from scipy.ndimage import zoom

    factor = BOX / small.shape[-1]
    ringed = np.pad(small, ((0, 0), (2, 2), (2, 2)))  # lets strokes at the rim fade out smoothly
    large = zoom(ringed, (1, factor, factor), order=3, grid_mode=True, mode="grid-constant")
    ink = np.clip(np.rint(large * (255 / FULL)), 0, 255).astype(np.uint8)  # splines overshoot
    rim = (large.shape[-1] - SIDE) // 2
    return ink[:, rim : rim + SIDE, rim : rim + SIDE]
