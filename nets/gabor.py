"""Gabor functions fitted to filters by least squares: is a filter local, oriented, band-pass?

    G(x, y) = exp(-x'^2 / 2 sx^2 - y'^2 / 2 sy^2) (c cos 2 pi f x' + d sin 2 pi f x')
    x', y'    the pixel's place from the centre (x0, y0), turned by theta: x' across the stripes

which is A cos(2 pi f x' + phi) in its envelope, with A and phi written as c and d, since those are
linear. Each filter is fitted from 16 starts by the method of Levenberg and Marquardt: all of them
for a while, the best to the end. NumPy does it as fast as XLA, which would compile for longer.
"""

import itertools
from typing import NamedTuple

import numpy as np

ITERATIONS = (12, 60)  # from all starts; from the best
BEST = 4  # starts of a filter
LEAST_WIDTH, MOST_FREQUENCY = 0.4, 0.5  # pixels; cycles a pixel
C, D, X0, Y0, LOG_SX, LOG_SY, THETA, F = range(8)  # a point's numbers


class Gabors(NamedTuple):
    """Fitted Gabor functions of N filters, [N] each; lengths in pixels from the filter's middle."""

    r2: np.ndarray  # the share of the filter's squared weights that the fit explains
    x0: np.ndarray
    y0: np.ndarray
    across: np.ndarray  # sx, the envelope's width across the stripes
    along: np.ndarray  # sy
    orientation: np.ndarray  # of the stripes' normal, radians in [0, pi)
    frequency: np.ndarray  # cycles a pixel
    cosine: np.ndarray  # c
    sine: np.ndarray  # d


def gabor(points: np.ndarray, side: int) -> np.ndarray:
    """The pixels [M, side, side] of points [M, 8]: c, d, x0, y0, ln sx, ln sy, theta, f."""
    even, odd, _, _ = _waves(points, side)
    return (points[:, C, None] * even + points[:, D, None] * odd).reshape(-1, side, side)


def _waves(points: np.ndarray, side: int) -> tuple[np.ndarray, ...]:
    """Both phases, and the places across and along the stripes: [M, side * side] each."""
    rows, columns = np.divmod(np.arange(side * side), side)
    middle = (side - 1) / 2
    x = (columns - middle).astype(points.dtype) - points[:, X0, None]
    y = (rows - middle).astype(points.dtype) - points[:, Y0, None]
    cosine, sine = (f(points[:, THETA, None]) for f in (np.cos, np.sin))
    across, along = x * cosine + y * sine, y * cosine - x * sine
    widths = np.exp(points[:, LOG_SX : LOG_SY + 1, None])
    envelope = np.exp(-((across / widths[:, 0]) ** 2 + (along / widths[:, 1]) ** 2) / 2)
    angle = 2 * np.pi * points[:, F, None] * across
    return envelope * np.cos(angle), envelope * np.sin(angle), across, along


def _derivatives(points: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixels [M, P] of `gabor`, and their derivatives by the eight numbers: [M, 8, P]."""
    even, odd, u, v = _waves(points, side)
    c, d = points[:, C, None], points[:, D, None]
    sx, sy = np.exp(points[:, LOG_SX, None]), np.exp(points[:, LOG_SY, None])
    value, turned = c * even + d * odd, 2 * np.pi * (d * even - c * odd)
    by_u = points[:, F, None] * turned - u / sx**2 * value
    by_v = -v / sy**2 * value
    cosine, sine = np.cos(points[:, THETA, None]), np.sin(points[:, THETA, None])
    each = (
        even, odd, sine * by_v - cosine * by_u, -sine * by_u - cosine * by_v,
        (u / sx) ** 2 * value, (v / sy) ** 2 * value, v * by_u - u * by_v, u * turned,
    )  # fmt: skip
    return value, np.stack(each, 1)


def fit_gabors(filters: np.ndarray) -> Gabors:
    """The best Gabor function for each of the filters [N, side, side]; a filter of zeros has r2 0.

    The lengths of the filters do not matter.
    """
    filters = np.asarray(filters, np.float32)
    count, side, _ = filters.shape
    flat = filters.reshape(count, -1)
    norms = np.linalg.norm(flat, axis=1)
    flat = flat / np.maximum(norms, 1e-30)[:, None]
    points = _starts(flat.reshape(filters.shape))  # [N, S, 8]
    for iterations in ITERATIONS:
        starts = points.shape[1]
        points, errors = _fitted(points.reshape(-1, 8), np.repeat(flat, starts, 0), iterations)
        errors = errors.reshape(count, starts)
        order = errors.argsort(1)[:, :BEST]
        points = np.take_along_axis(points.reshape(count, starts, 8), order[:, :, None], 1)
    c, d, x0, y0, log_sx, log_sy, theta, f = points[:, 0].T
    r2 = np.where(norms > 0, 1 - errors.min(1), 0)
    turned = np.where(theta // np.pi % 2, -1, 1)  # by pi, the sine is the other way round
    return Gabors(r2, x0, y0, np.exp(log_sx), np.exp(log_sy), theta % np.pi, f,
                  c * norms, turned * d * norms)  # fmt: skip


def _starts(images: np.ndarray) -> np.ndarray:
    """Points to start from, [N, 16, 8]: the frequency and direction of the Fourier peak, or a lower
    frequency; four envelopes; about the centre of mass of the squared weights, or the largest."""
    side, padded = images.shape[-1], 4 * images.shape[-1]
    amplitude = np.abs(np.fft.fft2(images, (padded, padded)))[:, :, : padded // 2]
    row, column = np.divmod(amplitude.reshape(len(images), -1).argmax(1), padded // 2)
    vertical, horizontal = np.fft.fftfreq(padded)[row], column / padded
    theta = np.arctan2(vertical, horizontal)
    frequency = np.minimum(np.hypot(vertical, horizontal), MOST_FREQUENCY)
    energy, places = images**2, np.arange(side) - (side - 1) / 2
    mass = (energy.sum(1) @ places, energy.sum(2) @ places)
    row, column = np.divmod(energy.reshape(len(images), -1).argmax(1), side)
    zeros, grid = np.zeros(len(images)), []
    for (x0, y0), factor, sx, sy in itertools.product(
        (mass, (places[column], places[row])), (1, 0.6), (0.1, 0.2), (0.1, 0.25)
    ):
        grid.append([zeros, zeros, x0, y0, zeros + np.log(sx * side), zeros + np.log(sy * side),
                     theta, frequency * factor])  # fmt: skip
    points = np.moveaxis(np.array(grid, np.float32), 2, 0)  # [N, S, 8]
    flat = points.reshape(-1, 8)
    target = np.repeat(images.reshape(len(images), -1), points.shape[1], 0)
    waves = np.stack(_waves(flat, side)[:2], 1)  # c and d by least squares
    gram = waves @ waves.transpose(0, 2, 1) + 1e-6 * np.eye(2, dtype=np.float32)
    flat[:, :2] = np.linalg.solve(gram, waves @ target[:, :, None])[:, :, 0]
    return points


def _fitted(
    points: np.ndarray, targets: np.ndarray, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points [M, 8] after steps of Levenberg and Marquardt, and their sums of squared errors."""
    side = round(targets.shape[1] ** 0.5)
    value, jacobian = _derivatives(points, side)
    errors, damping = ((value - targets) ** 2).sum(1), np.full(len(points), 0.1, np.float32)
    for _ in range(iterations):
        normal = jacobian @ jacobian.transpose(0, 2, 1)
        slope = jacobian @ (value - targets)[:, :, None]
        diagonal = np.einsum("mii->mi", normal)
        diagonal += damping[:, None] * (diagonal + 1e-6) + 1e-9
        new = _inside(points - np.linalg.solve(normal, slope)[:, :, 0], side)
        new_value, new_jacobian = _derivatives(new, side)
        new_errors = ((new_value - targets) ** 2).sum(1)
        better = new_errors < errors  # false for what is not a number
        points = np.where(better[:, None], new, points)
        value = np.where(better[:, None], new_value, value)
        jacobian = np.where(better[:, None, None], new_jacobian, jacobian)
        errors = np.where(better, new_errors, errors)
        damping = np.clip(damping * np.where(better, 0.3, 4), 1e-6, 1e6).astype(np.float32)
    return points, errors


def _inside(points: np.ndarray, side: int) -> np.ndarray:
    """Points with widths from LEAST_WIDTH to the filter's side, and frequencies up to the most."""
    points = np.nan_to_num(points, posinf=0, neginf=0)
    widths = points[:, LOG_SX : LOG_SY + 1]
    np.clip(widths, np.log(LEAST_WIDTH), np.log(side), out=widths)
    np.clip(points[:, F], 0, MOST_FREQUENCY, out=points[:, F])
    np.clip(points[:, X0 : Y0 + 1], -side, side, out=points[:, X0 : Y0 + 1])
    return points
