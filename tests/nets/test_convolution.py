"""Convolution as the lecture teaches it: the sum, the gradient of its kernel, the shift."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.convolution import convolve, convolve_reference

FORMS = {"product": convolve, "XLA's": convolve_reference}
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
@pytest.mark.parametrize("window", [(5, 5), (3, 2)], ids=["5x5", "3x2"])
def test_is_the_lectures_sum(form, batch, window):
    kernel, xs = normal(0, *window, 2, 3), normal(1, batch, 7, 6, 2)
    np.testing.assert_allclose(form(kernel, xs), by_loops(kernel, xs), rtol=1e-4, atol=1e-5)


@every_form
def test_gradient_of_a_kernel_is_the_lectures_sum(form):
    """dJ/dK(m, n) = sum_ij dJ/dS(i, j) I(i+m, j+n)."""
    kernel, xs, upstream = normal(0, 3, 3, 1, 1), normal(1, 1, 6, 5, 1), normal(2, 1, 4, 3, 1)
    found = jax.grad(lambda k: (form(k, xs) * upstream).sum())(kernel)
    for m, n in np.ndindex(3, 3):
        expected = sum(
            upstream[0, i, j, 0] * xs[0, i + m, j + n, 0] for i, j in np.ndindex(4, 3)
        )
        assert found[m, n, 0, 0] == pytest.approx(expected, rel=1e-4, abs=1e-5)


@every_form
def test_a_shifted_input_gives_a_shifted_map(form):
    kernel, xs = normal(0, 5, 5, 1, 2), np.zeros((1, 16, 16, 1), np.float32)
    xs[0, 4:9, 5:9, 0] = normal(1, 5, 4)
    down, right = 3, 2
    moved = np.roll(xs, (down, right), (1, 2))  # the figure stays clear of the borders
    np.testing.assert_allclose(
        form(kernel, moved), np.roll(form(kernel, xs), (down, right), (1, 2)), atol=1e-6
    )


@pytest.mark.parametrize("batch", [1, 3, 32, 130])
def test_forms_agree_in_values_and_gradients(batch):
    """At the sizes of C1 and of C3, so that a form chosen by batch or channels is met."""
    for channels, maps, side in ((1, 6, 32), (6, 16, 14)):
        kernel, xs = normal(0, 5, 5, channels, maps) / 5, normal(1, batch, side, side, channels)
        upstream = normal(2, batch, side - 4, side - 4, maps)
        ours, theirs = (pulled_back(form, kernel, xs, upstream) for form in FORMS.values())
        for found, expected in zip(ours, theirs, strict=True):
            scale = np.abs(expected).max()
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * scale)


def pulled_back(form, kernel, xs, upstream):
    """The map, the gradient of the kernel and that of the input."""

    @jax.jit
    def together(kernel, xs, upstream):
        out, pull = jax.vjp(form, kernel, xs)
        return out, *pull(upstream)

    return together(kernel, xs, upstream)


def test_no_kernel_mixes_examples():
    kernel, xs = normal(0, 3, 3, 2, 2), normal(1, 3, 5, 5, 2)
    alone = jnp.concatenate([convolve(kernel, x[None]) for x in xs])
    np.testing.assert_allclose(convolve(kernel, xs), alone, rtol=1e-4, atol=1e-5)
