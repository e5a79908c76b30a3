"""Distorted characters: at random for training, as in the paper, and by fixed amounts for testing.

LeCun, Bottou, Bengio and Haffner 1998, section III.C, trained on 60,000 original images and
540,000 distorted by "combinations of the following planar affine transformations: horizontal and
vertical translations, scaling, squeezing (simultaneous horizontal compression and vertical
elongation, or the reverse), and horizontal shearing". The paper gives no ranges; those of
`Ranges` were chosen so that the distorted digits remain easy to read.

All images are uint8 [..., 28, 28] with background 0, and so are the results. Every geometric
transform acts about the image's centre and interpolates the old image bilinearly, once, with
background around it.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from data.affine import warp

BLOCK = 4096  # positions whose random numbers are drawn together
DRAWS = 6  # random numbers per position
STREAM = 1  # makes these draws independent of the shuffling, which uses the same seed


@dataclass(frozen=True)
class Ranges:
    """How far a training image is distorted; each quantity is drawn uniformly from its range."""

    translation: float = 2.0  # pixels, in both directions and along both axes
    scale: float = 1.1  # factor, between 1 / scale and scale
    squeeze: float = 1.1  # factor, between 1 / squeeze and squeeze
    shear: float = 0.2  # pixels sideways per pixel of height, in both directions
    originals: float = 0.1  # share left undistorted: 60,000 of 600,000 in the paper


def distort(
    images: np.ndarray, seed: int, positions: np.ndarray, ranges: Ranges | None = None
) -> np.ndarray:
    """Distorts training images at random, as a pure function of seed and position.

    Args:
      images: uint8 [..., 28, 28].
      seed: seed of the draws; not negative.
      positions: int [...], the position of each image in the stream of training examples, that is
        step * batch_size + index in the batch. An image is distorted differently in each pass.
      ranges: how far; default `Ranges()`.

    Returns:
      uint8 [..., 28, 28]; the result does not depend on how the stream is split into calls.
    """
    draws = _draws(seed, np.asarray(positions).reshape(-1))
    flat = images.reshape(-1, *images.shape[-2:])
    matrices, shifts = _maps(draws, ranges or Ranges())
    return warp(flat, matrices, shifts).reshape(images.shape)


def _draws(seed: int, positions: np.ndarray) -> np.ndarray:
    """Six random numbers in [0, 1) for each position: float64 [N, 6]."""
    draws = np.empty((len(positions), DRAWS))
    blocks = positions // BLOCK
    for block in np.unique(blocks):
        chosen = blocks == block
        draws[chosen] = _block_of_draws(seed, int(block))[positions[chosen] % BLOCK]
    return draws


@lru_cache(maxsize=2)
def _block_of_draws(seed: int, block: int) -> np.ndarray:
    return np.random.default_rng([seed, block, STREAM]).random((BLOCK, DRAWS))


def _maps(draws: np.ndarray, ranges: Ranges) -> tuple[np.ndarray, np.ndarray]:
    """Draws [N, 6] -> the matrices [N, 2, 2] and shifts [N, 2] of the affine transforms."""
    undistorted = draws[:, 5] < ranges.originals
    amounts = np.where(undistorted[:, None], 0.0, 2 * draws[:, :5] - 1)  # [-1, 1)
    down, right, scale, squeeze, shear = amounts.T
    scale, squeeze = ranges.scale**scale, ranges.squeeze**squeeze
    matrices = np.zeros((len(draws), 2, 2))  # on (row, column) about the centre
    matrices[:, 0, 0] = scale * squeeze
    matrices[:, 1, 0] = -scale / squeeze * ranges.shear * shear  # rows count downwards
    matrices[:, 1, 1] = scale / squeeze
    return matrices, ranges.translation * np.stack([down, right], axis=-1)


def translate(images: np.ndarray, right: float, down: float = 0.0) -> np.ndarray:
    """Shifts images by whole or fractional pixels; what leaves the field is lost."""
    return _same_for_all(images, np.eye(2), (down, right))


def scale(images: np.ndarray, factor: float) -> np.ndarray:
    """Enlarges (factor above 1) or shrinks (between 0 and 1) images about their centre."""
    return _same_for_all(images, factor * np.eye(2))


def squeeze(images: np.ndarray, factor: float) -> np.ndarray:
    """Makes images `factor` times taller and `factor` times narrower, about their centre."""
    return _same_for_all(images, np.diag([factor, 1 / factor]))


def rotate(images: np.ndarray, degrees: float) -> np.ndarray:
    """Rotates images about their centre, counter-clockwise."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    return _same_for_all(images, np.array([[cosine, -sine], [sine, cosine]]))


def _same_for_all(
    images: np.ndarray, matrix: np.ndarray, shift: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    flat = images.reshape(-1, *images.shape[-2:])
    matrices = np.broadcast_to(matrix, (len(flat), 2, 2))
    shifts = np.broadcast_to(np.array(shift), (len(flat), 2))
    return warp(flat, matrices, shifts).reshape(images.shape)


def stroke(images: np.ndarray, width: float) -> np.ndarray:
    """Moves the edges of strokes by `width` pixels: outwards (thicker) or, if negative, inwards.

    Grey dilation or erosion by a 3x3 cross, once per whole pixel; a remaining fraction
    interpolates between the last image and the next. Outside the field is background.
    """
    step = np.maximum if width > 0 else np.minimum
    result = images
    for whole in range(math.ceil(abs(width))):
        moved = _with_neighbours(result, step)
        share = min(abs(width) - whole, 1.0)
        result = np.rint((1 - share) * result + share * moved).astype(np.uint8)
    return result


def _with_neighbours(images: np.ndarray, step: np.ufunc) -> np.ndarray:
    """The maximum or minimum of each pixel and its four neighbours."""
    framed = np.pad(images, [(0, 0)] * (images.ndim - 2) + [(1, 1), (1, 1)])
    vertical = step(framed[..., :-2, 1:-1], framed[..., 2:, 1:-1])
    horizontal = step(framed[..., 1:-1, :-2], framed[..., 1:-1, 2:])
    return step(images, step(vertical, horizontal))


def noise(images: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Inverts each pixel (v to 255 - v) with probability `share`: salt-and-pepper noise."""
    inverted = np.random.default_rng(seed).random(images.shape) < share
    return np.where(inverted, 255 - images, images)
