"""Distortions (`data/affine.py` too) depend on (seed, position) alone and move ink as named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import digits, distortions
from data.distortions import Ranges, distort


@pytest.fixture(scope="module")
def images():
    return digits.load().test.images[:200]


def moments(images):
    """Total ink, and the ink's centre and spread along rows and columns, of each image."""
    weights = images.astype(float)
    total = weights.sum((-2, -1))
    axes = np.indices((28, 28)) - 13.5
    centre = [(weights * axis).sum((-2, -1)) / total for axis in axes]
    spread = [(weights * axis**2).sum((-2, -1)) / total for axis in axes]
    return total, *centre, *spread


@settings(deadline=None, max_examples=20)
@given(start=st.integers(0, 10_000), cut=st.integers(0, 40), seed=st.integers(0, 2**33))
def test_any_split_of_the_stream_gives_the_same_images(start, cut, seed):
    some = np.random.default_rng(0).integers(0, 256, (40, 28, 28)).astype(np.uint8)
    positions = np.arange(start, start + 40)
    whole = distort(some, seed, positions)
    parts = [distort(some[:cut], seed, positions[:cut]), distort(some[cut:], seed, positions[cut:])]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    shaped = distort(some.reshape(4, 10, 28, 28), seed, positions.reshape(4, 10))
    np.testing.assert_array_equal(whole, shaped.reshape(40, 28, 28))


def test_draws_do_not_depend_on_blocks_or_order():
    positions = np.array([distortions.BLOCK, 3, 5 * distortions.BLOCK, distortions.BLOCK - 1, 3])
    draws = distortions._draws(0, positions)
    one_by_one = [distortions._draws(0, positions[i : i + 1])[0] for i in range(5)]
    np.testing.assert_array_equal(draws, one_by_one)
    assert len(np.unique(draws)) == 4 * distortions.DRAWS


def test_one_in_ten_is_undistorted_and_the_rest_stay_within_the_ranges(images):
    many = np.repeat(images, 20, axis=0)
    changed = distort(many, 0, np.arange(len(many)))
    same = (changed == many).all((1, 2))
    assert 0.07 < same.mean() < 0.13
    before, after = moments(many), moments(changed)
    assert np.abs(after[1] - before[1]).max() < 2.8 and np.abs(after[1] - before[1]).mean() > 0.5
    assert np.abs((after[2] - before[2]).mean()) < 0.1  # no drift to one side
    assert (distort(images, 0, np.arange(200)) != distort(images, 1, np.arange(200))).any()
    assert (distort(images, 0, np.arange(200)) != distort(images, 0, 200 + np.arange(200))).any()


@pytest.mark.parametrize("originals", [0.0, 1.0])
def test_empty_ranges_or_originals_only_change_nothing(images, originals):
    empty = Ranges(translation=0, scale=1, squeeze=1, shear=0, originals=originals)
    np.testing.assert_array_equal(distort(images, 0, np.arange(200), empty), images)
    only = Ranges(originals=1.0)
    np.testing.assert_array_equal(distort(images, 0, np.arange(200), only), images)


def test_shear_slants_without_lengthening(images):
    lean = Ranges(translation=0, scale=1, squeeze=1, shear=0.2, originals=0)
    bar = np.zeros((50, 28, 28), np.uint8)
    bar[:, 6:22, 13:15] = 255
    leaning = distort(bar, 0, np.arange(50), lean).astype(float)
    assert leaning.sum((1, 2)) == pytest.approx(16 * 2 * 255, rel=0.01)
    columns = np.arange(28)
    top, bottom = ((leaning[:, row] * columns).sum(1) / leaning[:, row].sum(1) for row in (7, 20))
    assert 1.5 < np.abs(top - bottom).max() < 0.2 * 13 + 0.1


def test_fixed_transforms_do_what_their_names_say(images):
    np.testing.assert_array_equal(
        distortions.translate(images, 3, -2)[:, :-2, 3:], images[:, 2:, :-3]
    )
    assert (distortions.translate(images, 3, -2)[:, :, :3] == 0).all()
    np.testing.assert_array_equal(distortions.rotate(images, 90), np.rot90(images, axes=(1, 2)))
    np.testing.assert_array_equal(distortions.rotate(images, -180), images[:, ::-1, ::-1])
    total, _, _, rows, columns = moments(images)
    total2, _, _, rows2, columns2 = moments(distortions.scale(images, 0.8))
    assert np.median(total2 / total) == pytest.approx(0.64, abs=0.02)
    assert np.median(rows2 / rows) == pytest.approx(0.64, abs=0.05)
    total3, _, _, rows3, columns3 = moments(distortions.squeeze(images, 1.25))
    assert np.median(total3 / total) == pytest.approx(1, abs=0.05)
    assert np.median(rows3 / rows) == pytest.approx(1.25**2, rel=0.1)
    assert np.median(columns3 / columns) == pytest.approx(0.8**2, rel=0.1)


def test_half_a_pixel_is_the_mean_of_two():
    image = np.zeros((28, 28), np.uint8)
    image[10, 10] = 200
    moved = distortions.translate(image, 0.5)
    assert moved[10, 10] == moved[10, 11] == 100 and moved.sum() == 200


def test_strokes_thicken_and_thin():
    bar = np.zeros((1, 28, 28), np.uint8)
    bar[:, 4:24, 12:16] = 255
    widths = {w: int((distortions.stroke(bar, w)[0, 14] / 255.0).sum() * 2) for w in (-1, 0, 1, 2)}
    assert widths == {-1: 4, 0: 8, 1: 12, 2: 16}  # twice the number of pixels across
    half = distortions.stroke(bar, 0.5)[0, 14]
    assert half[11] == half[16] == 128 and half[12] == 255 and half.dtype == np.uint8
    assert distortions.stroke(bar, -1.5)[0, 14, 13] == 128
    np.testing.assert_array_equal(distortions.stroke(bar, 0), bar)


def test_noise_inverts_about_the_given_share(images):
    noisy = distortions.noise(images, 0.1, seed=0)
    inverted = noisy != images
    assert inverted.mean() == pytest.approx(0.1, abs=0.005)
    np.testing.assert_array_equal(noisy[inverted], 255 - images[inverted])
    np.testing.assert_array_equal(noisy, distortions.noise(images, 0.1, seed=0))
    np.testing.assert_array_equal(distortions.noise(images, 0.0, 0), images)
    np.testing.assert_array_equal(distortions.noise(images, 1.0, 0), 255 - images)
