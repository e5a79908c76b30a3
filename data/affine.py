"""Affine maps of many small images at once, at about ten microseconds for one of 28x28."""

import numpy as np

CHUNK = 64  # images mapped at a time, so that the work stays in the processor's cache


def mapped(images: np.ndarray, matrices: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Maps each image by new = matrix (old - centre) + centre + shift, on (row, column).

    Args:
      images: uint8 [N, height, width].
      matrices: [N, 2, 2], invertible.
      shifts: [N, 2] in pixels.

    Returns:
      uint8 [N, height, width], the old images read at the new pixels' sources by bilinear
      interpolation, with background (0) all around.
    """
    inverses = np.linalg.inv(matrices)  # [N, 2, 2]
    origins = -(inverses @ shifts[..., None])  # [N, 2, 1]
    inverses = np.concatenate([inverses, origins], axis=-1).astype(np.float32)  # [N, 2, 3]
    results = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        chunk = slice(start, start + CHUNK)
        results[chunk] = _read_at_sources(images[chunk], inverses[chunk])
    return results


def _read_at_sources(images: np.ndarray, inverses: np.ndarray) -> np.ndarray:
    """Reads each new pixel at inverse (row, column, 1) of the old image, both about the centre."""
    count, height, width = images.shape
    rows, columns = np.indices((height, width), np.float32).reshape(2, -1)
    centre = np.array([[height - 1], [width - 1]], np.float32) / 2
    targets = np.stack([rows - centre[0], columns - centre[1], np.ones_like(rows)])
    framed = np.pad(images, ((0, 0), (1, 1), (1, 1)))  # background to interpolate towards
    limit = np.array([[height + 1], [width + 1]], np.float32)
    sources = np.clip(inverses @ targets + (centre + 1), 0, limit)  # [n, 2, pixels], framed
    whole = np.minimum(sources.astype(np.int32), limit.astype(np.int32) - 1)
    down, right = np.moveaxis(sources - whole, 1, 0)
    stride = width + 2
    first = np.arange(count)[:, None] * framed[0].size + whole[:, 0] * stride + whole[:, 1]
    above, below = (
        (1 - right) * ink[first] + right * ink[first + 1]
        for ink in (framed.reshape(-1), framed.reshape(-1)[stride:])
    )
    ink = (1 - down) * above + down * below + np.float32(0.5)
    return ink.astype(np.uint8).reshape(images.shape)
