"""Convolution without padding, stride 1: S(i, j) = sum_mn I(i+m, j+n) K(m, n).

XLA's own convolution is slow on a CPU where there are few maps, forwards and even more backwards.
One matrix product over patches is several times faster, and its gradients are two more products.
"""

import jax
import jax.numpy as jnp


def convolve_reference(kernel: jax.Array, xs: jax.Array) -> jax.Array:
    """XLA's own convolution of xs [B, H, W, C] with kernel [M, N, C, O]: [B, H-M+1, W-N+1, O]."""
    return jax.lax.conv_general_dilated(
        xs, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def convolve(kernel: jax.Array, xs: jax.Array) -> jax.Array:
    """`convolve_reference` as one matrix product over patches."""
    rows, columns, channels, maps = kernel.shape
    batch, height, width, _ = xs.shape
    out = (height - rows + 1, width - columns + 1)
    patches = jnp.concatenate(
        [xs[:, m : m + out[0], n : n + out[1]] for m in range(rows) for n in range(columns)], -1
    )  # [B, H', W', M*N*C]
    flat = patches.reshape(-1, rows * columns * channels) @ kernel.reshape(-1, maps)
    return flat.reshape(batch, *out, maps)


def convolve_tiles(kernel: jax.Array, xs: jax.Array) -> jax.Array:
    """`convolve` for maps in tiles, see `to_tiles`: [t, t, C, h, w, B] to [t, t, O, h', w', B].

    With the batch last, operations on single pixels and their neighbours run along contiguous
    examples. A handful of maps would still make a thin product, so the t x t pixels of a tile are
    treated as one pixel with t^2 times the maps, and the kernel is widened to match. t must divide
    the sides of the maps before and after.
    """
    tile, maps = len(xs), kernel.shape[-1]
    kernel = kernel_of_tiles(kernel, tile)
    rows, columns = kernel.shape[:2]
    xs = xs.reshape(-1, *xs.shape[3:])  # [t*t*C, h, w, B]
    _, height, width, batch = xs.shape
    out = (height - rows + 1, width - columns + 1)
    patches = jnp.concatenate(
        [xs[:, m : m + out[0], n : n + out[1]] for m in range(rows) for n in range(columns)]
    )  # [M'*N'*t*t*C, h', w', B]
    flat = kernel.reshape(len(patches), -1).T @ patches.reshape(len(patches), -1)
    return flat.reshape(tile, tile, maps, *out, batch)


def to_tiles(xs: jax.Array, tile: int) -> jax.Array:
    """Maps [C, H, W, B] to [t, t, C, H/t, W/t, B]: first the place in a tile."""
    maps, height, width, batch = xs.shape
    squares = xs.reshape(maps, height // tile, tile, width // tile, tile, batch)
    return squares.transpose(2, 4, 0, 1, 3, 5)


def from_tiles(xs: jax.Array) -> jax.Array:
    """The inverse of `to_tiles`."""
    tile, _, maps, height, width, batch = xs.shape
    return xs.transpose(2, 3, 0, 4, 1, 5).reshape(maps, height * tile, width * tile, batch)


def sums_of_four(xs: jax.Array) -> jax.Array:
    """x1 + x2 + x3 + x4 of each 2 x 2 square: [t, t, C, h, w, B] to tiles of half the side."""
    tile = len(xs)
    return xs.reshape(tile // 2, 2, tile // 2, 2, *xs.shape[2:]).sum((1, 3))


def on_each_map(values: jax.Array, xs: jax.Array) -> jax.Array:
    """One value per map, [C], broadcast over its pixels to the shape of xs [t, t, C, h, w, B].

    It is a product with ones, whose gradient is a product too: XLA's CPU compiler is far slower at
    the sum over all pixels that is the gradient of broadcasting.
    """
    ones = jnp.ones((1, xs[0, 0, 0].size), xs.dtype)
    return (jnp.tile(values, len(xs) ** 2)[:, None] @ ones).reshape(xs.shape)


def kernel_of_tiles(kernel: jax.Array, tile: int) -> jax.Array:
    """The kernel [M, N, C, O] for maps in tiles: [M', N', t*t*C, t*t*O].

    The output pixel (p, q) of a tile sees the kernel shifted by (p, q); the rest is zeros.
    """
    rows, columns, channels, maps = kernel.shape
    m, n = (-(-(side + tile - 1) // tile) for side in (rows, columns))  # in tiles
    moved = [
        jnp.pad(kernel, ((p, m * tile - rows - p), (q, n * tile - columns - q), (0, 0), (0, 0)))
        for p in range(tile)
        for q in range(tile)
    ]
    split = jnp.stack(moved, axis=3).reshape(m, tile, n, tile, channels, tile * tile * maps)
    return split.transpose(0, 2, 1, 3, 4, 5).reshape(m, n, tile * tile * channels, -1)
