"""Moving digits that bounce off the sides of a field, generated on the fly (Srivastava 2015).

Each digit starts at a random place and moves in a straight line in a random direction, by a tenth
of the available room per frame; where digits overlap, the brighter pixel is shown. This follows
the published generator of Moving MNIST. A batch is a pure function of its random generator.
"""

from typing import NamedTuple

import numpy as np

from data.errors import UserError

STEP = 0.1  # per frame, as a share of the room a digit has to move in


class Digits(NamedTuple):
    """Images of single digits to make sequences from, with pixels from 0 to 1."""

    train: np.ndarray  # float32 [N, side, side]
    test: np.ndarray


def small_digits() -> Digits:
    """scikit-learn's digits in their original 8x8; the last 360 are the test set, see `digits`."""
    from sklearn.datasets import load_digits

    from data.digits import FULL, TEST_SIZE

    images = (load_digits().images / FULL).astype(np.float32)
    return Digits(images[:-TEST_SIZE], images[-TEST_SIZE:])


def mnist_digits(data_dir: str, raw_dir: str) -> Digits:
    """MNIST's digits, 28x28; raises UserError if they cannot be obtained."""
    from data import mnist

    sets = mnist.load(data_dir or None, raw_dir or None)
    return Digits(*(part.images.astype(np.float32) / 255 for part in (sets.train, sets.test)))


def sequences(
    random: np.random.Generator,
    digits: np.ndarray,
    count: int,
    frames: int,
    field: int,
    number: int,
) -> np.ndarray:
    """Generates videos of moving digits: float32 [count, frames, field, field].

    Args:
      random: draws the digits, their starting places and their directions.
      digits: [N, side, side].
      count: number of videos.
      frames: number of frames per video.
      field: width and height of a frame.
      number: number of digits in a video.

    Raises:
      UserError: the field is smaller than a digit.
    """
    side = digits.shape[-1]
    if field < side:
        raise UserError(f"--field={field}: a digit is {side} pixels wide; make it {side} or more.")
    places = (field - side) * paths(random, (count, number), frames)  # [count, number, frames, 2]
    corners = np.rint(places).astype(int)
    chosen = digits[random.integers(0, len(digits), (count, number))]
    videos = np.zeros((count, frames, field, field), np.float32)
    rows, times = np.arange(count)[:, None, None, None], np.arange(frames)[None, :, None, None]
    span = np.arange(side)
    for n in range(number):
        top = (corners[:, n, :, 0, None] + span)[..., :, None]  # [count, frames, side, 1]
        left = (corners[:, n, :, 1, None] + span)[..., None, :]
        place = rows, times, top, left
        videos[place] = np.maximum(videos[place], chosen[:, n, None])
    return videos


def paths(random: np.random.Generator, shape: tuple[int, ...], frames: int) -> np.ndarray:
    """Straight paths in the unit square, reflected at its sides: [*shape, frames, 2]."""
    start = random.uniform(0, 1, (*shape, 1, 2))
    angle = random.uniform(0, 2 * np.pi, (*shape, 1))
    velocity = STEP * np.stack([np.sin(angle), np.cos(angle)], -1)
    straight = start + np.arange(frames)[:, None] * velocity
    return 1 - abs(straight % 2 - 1)  # reflected at each side
