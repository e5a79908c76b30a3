"""How far learned filters are Gabor functions, how sparse their coefficients are, and controls."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments.images.linear_codes import principal_components
from experiments.images.patches import Coder, codes_of
from nets.gabor import Gabors, fit_gabors

GABOR, BETTER = 0.7, 0.8  # R^2 from which a filter counts as a Gabor function
BINS = 12  # of orientation, 15 degrees each
COEFFICIENTS = (1, 2, 4, 8, 16)  # of a reconstruction
RECONSTRUCTED = 300  # patches


class Dictionary(NamedTuple):
    """Functions, how they are called, and their fits."""

    name: str
    filters: np.ndarray  # [N, side, side]
    fits: Gabors


class Scores(NamedTuple):
    """What is known of a trained dictionary; the controls are principal components and noise."""

    figures: Mapping[str, float]
    learned: Dictionary
    controls: tuple[Dictionary, ...]
    codes: np.ndarray  # of the tested patches [M, N]
    active: np.ndarray  # [M, N]
    unexplained: Mapping[str, np.ndarray]  # percent, by number of coefficients


def patch_scores(config, coder: Coder, params: Any, tested: np.ndarray) -> Scores:
    """The scores of functions learned from patches, next to their controls."""
    side = config.side
    learned = _dictionary("learned", np.asarray(coder.bases(params)), side)
    directions = principal_components(tested, config.functions).directions.astype(np.float32)
    pca = _dictionary("principal components", directions, side)
    noise = np.random.default_rng([config.seed, 0, 2]).normal(size=learned.filters.shape)
    controls = (pca, _dictionary("noise", noise.astype(np.float32), side))
    codes, active = codes_of(coder, params, tested)
    figures = gabor_figures(learned.fits) | {
        "gabor_pca_percent": share_of_gabors(controls[0].fits),
        "gabor_noise_percent": share_of_gabors(controls[1].fits),
        "dead_functions": float((~active.any(0)).sum()),
        "coefficient_kurtosis": median_kurtosis(codes),
        "kurtosis_above_10_percent": 100 * float((kurtoses(codes) > 10).mean()),
        "pca_coefficient_kurtosis": median_kurtosis(tested @ flat(pca).T),
    }
    some = tested[:RECONSTRUCTED]
    unexplained = {d.name: unexplained_percent(flat(d), some) for d in (learned, *controls)}
    return Scores(figures, learned, controls, codes, active, unexplained)


def _dictionary(name: str, rows: np.ndarray, side: int) -> Dictionary:
    filters = rows.reshape(-1, side, side)
    return Dictionary(name, filters, fit_gabors(filters))


def flat(dictionary: Dictionary) -> np.ndarray:
    """The functions as rows of norm 1: [N, P]; one of zeros stays."""
    rows = dictionary.filters.reshape(len(dictionary.filters), -1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def share_of_gabors(fits: Gabors, least: float = GABOR) -> float:
    """Of all filters, dead ones included, in percent."""
    return 100 * float((fits.r2 >= least).mean())


def gabor_figures(fits: Gabors) -> dict[str, float]:
    """The shares of Gabor functions, and what orientations and frequencies these have."""
    counts = orientation_counts(fits)
    p = counts[counts > 0] / max(counts.sum(), 1)
    found = fits.r2 >= GABOR
    octaves = np.log2(np.maximum(fits.frequency[found], 1e-3))
    return {
        "gabor_percent": share_of_gabors(fits),
        "gabor_r2_0.8_percent": share_of_gabors(fits, BETTER),
        "median_gabor_r2": float(np.median(fits.r2)),
        "orientation_bins_filled": float((counts > 0).sum()),
        "orientation_entropy_bits": float(-(p * np.log2(p)).sum()),
        "frequency_spread_octaves": float(octaves.std()) if found.any() else 0.0,
    }


def orientation_counts(fits: Gabors) -> np.ndarray:
    """Gabor functions by orientation, in BINS equal parts of [0, pi)."""
    angles = fits.orientation[fits.r2 >= GABOR]
    return np.bincount((angles / np.pi * BINS).astype(int) % BINS, minlength=BINS)


def median_kurtosis(codes: np.ndarray) -> float:
    """The median over functions of the excess kurtosis of their coefficients; 0 for dead ones."""
    return float(np.median(kurtoses(codes)))


def kurtoses(codes: np.ndarray) -> np.ndarray:
    """The excess kurtosis of each function's coefficients [N]; 0 for dead functions."""
    from scipy.stats import kurtosis  # late, as it loads much else

    found, used = np.zeros(codes.shape[1]), codes.var(0) > 0
    found[used] = kurtosis(codes[:, used].astype(np.float64))
    return found


def unexplained_percent(rows: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """Squares left over by the best few functions, found greedily, for each of COEFFICIENTS."""
    errors = np.zeros(len(COEFFICIENTS))
    for x in xs:
        chosen = pursuit(rows, x, COEFFICIENTS[-1])
        errors += [((x - reconstruction(rows, x, chosen[:k])) ** 2).sum() for k in COEFFICIENTS]
    return 100 * errors / (xs**2).sum()


def pursuit(rows: np.ndarray, x: np.ndarray, count: int) -> list[int]:
    """Orthogonal matching pursuit: functions in the order in which they explain most of x.

    Args:
      rows: functions of norm 1, [N, P].
      x: a patch [P].
      count: how many to choose; fewer if there are fewer.
    """
    chosen, residual = [], x
    for _ in range(min(count, *rows.shape)):
        fit = np.abs(rows @ residual)
        fit[chosen] = -1
        chosen.append(int(fit.argmax()))
        residual = x - reconstruction(rows, x, chosen)
    return chosen


def reconstruction(rows: np.ndarray, x: np.ndarray, chosen: list[int]) -> np.ndarray:
    """The sum of the chosen functions that is nearest to x."""
    part = rows[chosen]
    return np.linalg.lstsq(part.T, x, rcond=None)[0] @ part
