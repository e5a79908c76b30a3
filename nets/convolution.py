"""Convolution without padding, stride 1: S(i, j) = sum_mn I(i+m, j+n) K(m, n).

XLA's own convolution is slow on a CPU where maps are few, forwards and still more backwards. One
matrix product over patches is several times faster, and differentiates into two more products.
"""

import jax
import jax.numpy as jnp


def convolve_reference(kernel: jax.Array, xs: jax.Array) -> jax.Array:
    """XLA's own convolution of xs [B, H, W, C] with kernel [M, N, C, O]: [B, H-M+1, W-N+1, O]."""
    return jax.lax.conv_general_dilated(
        xs, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def convolve(kernel: jax.Array, xs: jax.Array) -> jax.Array:
    """The same as one matrix product over patches."""
    rows, columns, channels, maps = kernel.shape
    batch, height, width, _ = xs.shape
    out = (height - rows + 1, width - columns + 1)
    patches = jnp.concatenate(
        [xs[:, m : m + out[0], n : n + out[1]] for m in range(rows) for n in range(columns)], -1
    )  # [B, H', W', M*N*C]
    flat = patches.reshape(-1, rows * columns * channels) @ kernel.reshape(-1, maps)
    return flat.reshape(batch, *out, maps)


def convolve_batch_last(kernel: jax.Array, xs: jax.Array, tile: int = 1) -> jax.Array:
    """The same for maps xs [C, H, W, B], giving [O, H', W', B].

    With the batch last, all that is done to single pixels and to neighbours runs along contiguous
    examples. A handful of maps still makes a thin product; so tile x tile pixels side by side are
    taken for one pixel with tile^2 times the maps, and the kernel is widened to match. `tile`
    must divide H, W, H' and W'.
    """
    kernel, xs = kernel_of_tiles(kernel, tile), to_tiles(xs, tile)
    rows, columns, channels, maps = kernel.shape
    _, height, width, batch = xs.shape
    out = (height - rows + 1, width - columns + 1)
    patches = jnp.concatenate(
        [xs[:, m : m + out[0], n : n + out[1]] for m in range(rows) for n in range(columns)]
    )  # [M*N*C, H', W', B]
    flat = kernel.reshape(-1, maps).T @ patches.reshape(rows * columns * channels, -1)
    return from_tiles(flat.reshape(maps, *out, batch), tile)


def to_tiles(xs: jax.Array, tile: int) -> jax.Array:
    """[C, H, W, B] to [t*t*C, H/t, W/t, B]: each t x t square of pixels becomes one pixel."""
    if tile == 1:
        return xs
    maps, height, width, batch = xs.shape
    squares = xs.reshape(maps, height // tile, tile, width // tile, tile, batch)
    return squares.transpose(2, 4, 0, 1, 3, 5).reshape(-1, height // tile, width // tile, batch)


def from_tiles(ys: jax.Array, tile: int) -> jax.Array:
    """The inverse of `to_tiles`."""
    if tile == 1:
        return ys
    maps, height, width, batch = ys.shape
    squares = ys.reshape(tile, tile, -1, height, width, batch).transpose(2, 3, 0, 4, 1, 5)
    return squares.reshape(-1, height * tile, width * tile, batch)


def kernel_of_tiles(kernel: jax.Array, tile: int) -> jax.Array:
    """The kernel [M, N, C, O] from tiles to tiles: [M', N', t*t*C, t*t*O].

    The output pixel (p, q) of a tile sees the kernel moved by (p, q); the rest is zeros.
    """
    if tile == 1:
        return kernel
    rows, columns, channels, maps = kernel.shape
    m, n = (-(-(side + tile - 1) // tile) for side in (rows, columns))  # in tiles
    moved = [
        jnp.pad(kernel, ((p, m * tile - rows - p), (q, n * tile - columns - q), (0, 0), (0, 0)))
        for p in range(tile)
        for q in range(tile)
    ]
    split = jnp.stack(moved, axis=3).reshape(m, tile, n, tile, channels, tile * tile * maps)
    return split.transpose(0, 2, 1, 3, 4, 5).reshape(m, n, tile * tile * channels, -1)
