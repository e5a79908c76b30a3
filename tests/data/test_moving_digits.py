"""Moving digits: where they are, how they bounce, and that the seed determines them."""

import numpy as np
import pytest

from data.errors import UserError
from data.moving_digits import STEP, paths, sequences, small_digits


def test_paths_are_straight_and_reflected():
    found = paths(np.random.default_rng(0), (50,), 40)
    assert found.min() >= 0 and found.max() <= 1
    speed = np.linalg.norm(np.diff(found, axis=1), axis=-1)
    inside = ((found > STEP) & (found < 1 - STEP)).all(-1)[:, :-1]
    np.testing.assert_allclose(speed[inside], STEP, rtol=1e-9)
    assert (speed <= STEP + 1e-9).all() and (speed < STEP / 2).any()


def test_a_digit_is_always_complete():
    digit = np.random.default_rng(0).random((1, 3, 3)).astype(np.float32)
    videos = sequences(np.random.default_rng(1), digit, 5, 30, 9, 1)
    assert videos.shape == (5, 30, 9, 9)
    np.testing.assert_allclose(videos.sum((2, 3)), digit.sum(), rtol=1e-5)
    assert (videos[:, 0] != videos[:, 5]).any(axis=(1, 2)).all()


def test_the_brighter_pixel_counts_where_digits_overlap():
    ones = np.ones((1, 4, 4), np.float32)
    videos = sequences(np.random.default_rng(1), ones, 20, 10, 5, 3)
    assert set(np.unique(videos)) == {0, 1} and (videos.sum((2, 3)) < 3 * 16).all()


def test_the_seed_determines_the_videos_and_small_fields_are_refused():
    digits = small_digits()
    assert len(digits.test) == 360 and digits.train.max() == 1
    one, other, again = (sequences(np.random.default_rng(n), digits.train, 2, 4, 16, 2)
                         for n in (0, 1, 0))  # fmt: skip
    assert (one == again).all() and (one != other).any()
    with pytest.raises(UserError, match="make it 8 or more"):
        sequences(np.random.default_rng(0), digits.train, 1, 2, 7, 1)
