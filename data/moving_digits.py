"""Digits that move about in a field and bounce off its sides, made on the fly (Srivastava 2015).

Each of the digits begins anywhere and moves in a straight line in any direction, by a tenth of
the room there is in each frame; where digits overlap, the brighter pixel counts. This follows the
published generator of moving MNIST. A batch is a pure function of its random generator.
"""

from typing import NamedTuple

import numpy as np

from data.errors import UserError

STEP = 0.1  # of the room a digit has to move in


class Digits(NamedTuple):
    """Pictures of single digits to make sequences of, from 0 to 1."""

    train: np.ndarray  # float32 [N, side, side]
    test: np.ndarray


def small_digits() -> Digits:
    """scikit-learn's digits as they come, 8x8; the last 360 are for testing (`data.digits`)."""
    from sklearn.datasets import load_digits

    from data.digits import FULL, TEST_SIZE

    images = (load_digits().images / FULL).astype(np.float32)
    return Digits(images[:-TEST_SIZE], images[-TEST_SIZE:])


def mnist_digits(data_dir: str, raw_dir: str) -> Digits:
    """MNIST's, 28x28; raises UserError where they cannot be had."""
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
    """Films of so many moving digits: float32 [count, frames, field, field].

    Args:
      random: decides the digits, their places and their ways.
      digits: [N, side, side].
      count: of films.
      frames: of each.
      field: width and height.
      number: of digits in a film.

    Raises:
      UserError: the field is smaller than a digit.
    """
    side = digits.shape[-1]
    if field < side:
        raise UserError(f"--field={field}: a digit is {side} pixels wide; make it {side} or more.")
    places = (field - side) * paths(random, (count, number), frames)  # [count, number, frames, 2]
    corners = np.rint(places).astype(int)
    chosen = digits[random.integers(0, len(digits), (count, number))]
    films = np.zeros((count, frames, field, field), np.float32)
    rows, times = np.arange(count)[:, None, None, None], np.arange(frames)[None, :, None, None]
    span = np.arange(side)
    for n in range(number):
        top = (corners[:, n, :, 0, None] + span)[..., :, None]  # [count, frames, side, 1]
        left = (corners[:, n, :, 1, None] + span)[..., None, :]
        place = rows, times, top, left
        films[place] = np.maximum(films[place], chosen[:, n, None])
    return films


def paths(random: np.random.Generator, shape: tuple[int, ...], frames: int) -> np.ndarray:
    """Straight ways in the unit square, mirrored at its sides: [*shape, frames, 2]."""
    begin = random.uniform(0, 1, (*shape, 1, 2))
    angle = random.uniform(0, 2 * np.pi, (*shape, 1))
    way = STEP * np.stack([np.sin(angle), np.cos(angle)], -1)
    straight = begin + np.arange(frames)[:, None] * way
    return 1 - abs(straight % 2 - 1)  # a mirror at each side
