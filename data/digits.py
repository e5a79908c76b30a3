"""scikit-learn's bundled handwritten digits, in the format of MNIST; no download.

These are the 1,797 test images of the UCI set "Optical Recognition of Handwritten Digits"
(Alpaydin and Kaynak 1998). 43 people filled in forms, 13 of them for this part; the 32x32 bitmaps
were reduced to 8x8 by counting the ink in each 4x4 cell, which gives pixels from 0 to 16. This is
not MNIST: it is easier, and its error rates cannot be compared with published figures for MNIST.

The file does not name the writers but seems to keep each writer's digits together. The last 360
images are the test set, so that at most one writer should be in both sets; a random split would
put every writer into both and flatter the result.
"""

import numpy as np

from data.images import SIDE, Images, ImageSets, checked

TEST_SIZE = 360
BOX = 20  # MNIST's digits fill a box of 20x20 pixels within 28x28
FULL = 16  # the largest value of a pixel of the 8x8 images


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
    """Enlarges [N, 8, 8] with values 0 to 16 smoothly to 20x20, centred in uint8 [N, 28, 28]."""
    from scipy.ndimage import zoom

    factor = BOX / small.shape[-1]
    ringed = np.pad(small, ((0, 0), (2, 2), (2, 2)))  # lets strokes at the rim fade out smoothly
    large = zoom(ringed, (1, factor, factor), order=3, grid_mode=True, mode="grid-constant")
    ink = np.clip(np.rint(large * (255 / FULL)), 0, 255).astype(np.uint8)  # splines overshoot
    rim = (large.shape[-1] - SIDE) // 2
    return ink[:, rim : rim + SIDE, rim : rim + SIDE]
