"""Convolution as the lecture teaches it: the sum, the gradient of its kernel, the shift."""

import jax
import numpy as np
import pytest

from nets.convolution import (
    convolve,
    convolve_reference,
    convolve_tiles,
    from_tiles,
    sums_of_four,
    to_tiles,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")


def in_tiles(tile):
    """The form that LeNet-5 uses, for maps with the batch first."""

    def form(kernel, xs):
        ys = convolve_tiles(kernel, to_tiles(xs.transpose(3, 1, 2, 0), tile))
        return from_tiles(ys).transpose(3, 1, 2, 0)

    return form


FORMS = {
    "XLA's": convolve_reference,
    "product": convolve,
    "batch last": in_tiles(1),
    "batch last, 2x2 tiles": in_tiles(2),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_loops(kernel, xs):
    """S(i, j) = sum_mn I(i+m, j+n) K(m, n), summed over channels, one output at a time."""
    rows, columns, channels, maps = kernel.shape
    batch, height, width, _ = xs.shape
    out = np.zeros((batch, height - rows + 1, width - columns + 1, maps))
    for b, i, j, o in np.ndindex(out.shape):
        for m, n, c in np.ndindex(rows, columns, channels):
            out[b, i, j, o] += float(xs[b, i + m, j + n, c]) * float(kernel[m, n, c, o])
    return out


@every_form
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("window", [(5, 5), (3, 3)], ids=["5x5", "3x3"])
def test_is_the_lectures_sum(form, batch, window):
    kernel, xs = normal(0, *window, 2, 3), normal(1, batch, 8, 6, 2)
    np.testing.assert_allclose(form(kernel, xs), by_loops(kernel, xs), rtol=1e-4, atol=1e-5)


@every_form
def test_gradient_of_a_kernel_is_the_lectures_sum(form):
    """dJ/dK(m, n) = sum_ij dJ/dS(i, j) I(i+m, j+n)."""
    kernel, xs, upstream = normal(0, 3, 3, 1, 1), normal(1, 1, 6, 8, 1), normal(2, 1, 4, 6, 1)
    found = jax.grad(lambda k: (form(k, xs) * upstream).sum())(kernel)
    for m, n in np.ndindex(3, 3):
        expected = sum(upstream[0, i, j, 0] * xs[0, i + m, j + n, 0] for i, j in np.ndindex(4, 6))
        assert found[m, n, 0, 0] == pytest.approx(expected, rel=1e-4, abs=1e-5)


@every_form
def test_a_shifted_input_gives_a_shifted_map(form):
    kernel, xs = normal(0, 5, 5, 1, 2), np.zeros((1, 16, 16, 1), np.float32)
    xs[0, 4:9, 5:9, 0] = normal(1, 5, 4)
    down, right = 3, 2
    moved = np.roll(xs, (down, right), (1, 2))  # the pattern stays clear of the borders
    np.testing.assert_allclose(
        form(kernel, moved), np.roll(form(kernel, xs), (down, right), (1, 2)), atol=1e-6
    )


@pytest.mark.parametrize("batch", [1, 3, 32, 130])
def test_forms_agree_in_values_and_gradients(batch):
    """At the sizes of C1 and of C3, with the tiles that those take."""
    for channels, maps, side, tile in ((1, 6, 32, 4), (6, 16, 14, 2)):
        kernel, xs = normal(0, 5, 5, channels, maps) / 5, normal(1, batch, side, side, channels)
        upstream = normal(2, batch, side - 4, side - 4, maps)
        expected = pulled_back(convolve_reference, kernel, xs, upstream)
        for form in (convolve, in_tiles(tile)):
            found = pulled_back(form, kernel, xs, upstream)
            for ours, theirs in zip(found, expected, strict=True):
                scale = np.abs(theirs).max()
                np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * scale)


def pulled_back(form, kernel, xs, upstream):
    """The map, the gradient of the kernel and that of the input."""

    @jax.jit
    def together(kernel, xs, upstream):
        out, pull = jax.vjp(form, kernel, xs)
        return out, *pull(upstream)

    return together(kernel, xs, upstream)


@pytest.mark.parametrize("tile", [2, 4])
def test_tiles_are_squares_of_pixels_and_can_be_undone(tile):
    xs = normal(0, 3, 8, 12, 2)
    tiles = to_tiles(xs, tile)
    assert tiles.shape == (tile, tile, 3, 8 // tile, 12 // tile, 2)
    np.testing.assert_array_equal(tiles[1, 0, :, 1, 2], xs[:, tile + 1, 2 * tile])
    np.testing.assert_array_equal(from_tiles(tiles), xs)


@pytest.mark.parametrize("tile", [2, 4])
def test_sums_of_four_are_over_squares_of_neighbours(tile):
    xs = normal(0, 3, 8, 12, 2)
    expected = xs.reshape(3, 4, 2, 6, 2, 2).sum((2, 4))
    np.testing.assert_allclose(from_tiles(sums_of_four(to_tiles(xs, tile))), expected, atol=1e-6)
