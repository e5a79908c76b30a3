"""Convolution without padding, stride 1: S(i, j) = sum_mn I(i+m, j+n) K(m, n)."""

import jax
import jax.numpy as jnp


def convolve_reference(kernel: jax.Array, xs: jax.Array) -> jax.Array:
    """XLA's own convolution of xs [B, H, W, C] with kernel [M, N, C, O]: [B, H-M+1, W-N+1, O]."""
    return jax.lax.conv_general_dilated(
        xs, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def convolve(kernel: jax.Array, xs: jax.Array) -> jax.Array:
    """The same as one matrix product over patches: several times faster for a single image."""
    rows, columns, channels, maps = kernel.shape
    batch, height, width, _ = xs.shape
    out = (height - rows + 1, width - columns + 1)
    patches = jnp.concatenate(
        [xs[:, m : m + out[0], n : n + out[1]] for m in range(rows) for n in range(columns)], -1
    )  # [B, H', W', M*N*C]
    flat = patches.reshape(-1, rows * columns * channels) @ kernel.reshape(-1, maps)
    return flat.reshape(batch, *out, maps)
