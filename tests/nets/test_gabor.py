"""Gabor fits: a made Gabor function is found again, noise is none, lengths do not matter."""

import numpy as np
import pytest

from nets.gabor import _derivatives, fit_gabors, gabor

SIDE = 12
#                  c    d     x0    y0   sx   sy   theta  f
MADE = np.array([
    [1.0, 0.5, 1.0, -1.5, 1.8, 2.5, 0.4, 0.20],
    [-0.3, 1.0, -2.0, 0.5, 2.0, 1.5, 2.2, 0.12],
    [0.8, 0.0, 0.0, 2.0, 1.5, 3.0, 1.5, 0.30],
])  # fmt: skip


@pytest.fixture(scope="module")
def made():
    points = MADE.copy()
    points[:, 4:6] = np.log(points[:, 4:6])
    return gabor(points, SIDE)


def test_a_gabor_function_is_written_out_by_hand():
    x0, sx, sy, theta, f = 0.5, 1.5, 2.0, 0.7, 0.2
    found = gabor(np.array([[2.0, 0, x0, 0, np.log(sx), np.log(sy), theta, f]]), 3)[0]
    x, y = 1 - x0, -1  # the pixel at the upper right
    across, along = (x * np.cos(theta) + y * np.sin(theta), y * np.cos(theta) - x * np.sin(theta))
    envelope = np.exp(-(across**2) / (2 * sx**2) - along**2 / (2 * sy**2))
    np.testing.assert_allclose(found[0, 2], 2 * envelope * np.cos(2 * np.pi * f * across),
                               rtol=1e-5)  # fmt: skip


def test_made_gabor_functions_are_found_again(made):
    fits = fit_gabors(3 * made)
    np.testing.assert_allclose(fits.r2, 1, atol=1e-4)
    np.testing.assert_allclose(fits.frequency, MADE[:, 7], atol=2e-3)
    np.testing.assert_allclose(fits.orientation, MADE[:, 6], atol=0.01)
    np.testing.assert_allclose(fits.across, MADE[:, 4], rtol=0.02)
    np.testing.assert_allclose(fits.along, MADE[:, 5], rtol=0.02)
    np.testing.assert_allclose(np.stack([fits.x0, fits.y0], 1), MADE[:, 2:4], atol=0.02)
    np.testing.assert_allclose(np.hypot(fits.cosine, fits.sine),
                               3 * np.hypot(MADE[:, 0], MADE[:, 1]), rtol=0.02)  # fmt: skip
    points = np.stack([fits.cosine, fits.sine, fits.x0, fits.y0, np.log(fits.across),
                       np.log(fits.along), fits.orientation, fits.frequency], 1)  # fmt: skip
    np.testing.assert_allclose(gabor(points, SIDE), 3 * made, atol=0.05)


def test_r2_is_the_share_of_squared_weights_that_is_explained(made):
    noise = np.random.default_rng(0).normal(size=made.shape)
    noise *= np.sqrt(0.25 * (made**2).sum((1, 2)) / (noise**2).sum((1, 2)))[:, None, None]
    fits = fit_gabors(made + noise)
    assert (abs(np.asarray(fits.r2) - 0.8) < 0.08).all()  # 1 / 1.25, and a little by chance


def test_noise_and_nothing_are_no_gabor_functions():
    noise = np.random.default_rng(1).normal(size=(4, SIDE, SIDE))
    r2 = fit_gabors(np.concatenate([noise, np.zeros((1, SIDE, SIDE))])).r2
    assert (r2[:4] < 0.35).all() and r2[4] == 0


def test_derivatives_are_those_of_finite_differences():
    points, h = MADE.copy(), 1e-6
    points[:, 4:6] = np.log(points[:, 4:6])
    _, found = _derivatives(points, SIDE)
    for i in range(8):
        shift = h * np.eye(8)[i]
        expected = (gabor(points + shift, SIDE) - gabor(points - shift, SIDE)) / (2 * h)
        np.testing.assert_allclose(found[:, i], expected.reshape(len(points), -1), atol=1e-6)
