"""The lecture's demonstrations: how much distortion of the digits a net tolerates.

Six distortions of increasing strength: the accuracy on distorted test images, and its plots.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from data import distortions
from data.batches import padded_batches
from data.images import Images
from experiments.reports import drawing
from experiments.reports.page import Picture, Section
from experiments.runtime.numbers import readable

BATCH = 500
MAX_IMAGES = 2000  # test images distorted, evenly spaced over the set
NOISE_SEED = 0


class Demo(NamedTuple):
    """One kind of distortion: a function of images and an amount."""

    name: str
    label: str  # of the axis, unit included
    distort: Callable[[np.ndarray, float], np.ndarray]
    neutral: float  # the amount that changes nothing
    amounts: tuple[float, ...]


_FACTORS = (0.6, 0.7, 0.85, 1, 1.2, 1.4, 1.7)
DEMOS = (
    Demo("translation", "shift to the right (pixels)", distortions.translate, 0,
         (-6, -4, -2, 0, 2, 4, 6)),
    Demo("scale", "enlargement (factor)", distortions.scale, 1, _FACTORS),
    Demo("rotation", "counter-clockwise (degrees)", distortions.rotate, 0,
         (-45, -30, -15, 0, 15, 30, 45)),
    Demo("squeezing", "tall and narrow (factor)", distortions.squeeze, 1, _FACTORS),
    Demo("stroke", "thicker stroke, shift of its edge (pixels)", distortions.stroke, 0,
         (-1, -0.5, 0, 0.5, 1, 2, 3)),
    Demo("noise", "inverted pixels (fraction)",
         lambda images, fraction: distortions.noise(images, fraction, NOISE_SEED), 0,
         (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)),
)  # fmt: skip


def scores_of(predict: Callable, images: np.ndarray) -> np.ndarray:
    """Scores float [N, C] of any number of images uint8 [N, 28, 28].

    `predict` is only called with [BATCH, 28, 28], so that it is compiled once.
    """
    batches = padded_batches((images,), BATCH)
    return np.concatenate([np.asarray(predict(batch))[mask > 0] for (batch,), mask in batches])


def thinned(images: Images) -> Images:
    """At most MAX_IMAGES of the images.

    They are evenly spaced, since the second half of MNIST's test set is harder than the first.
    """
    stride = -(-len(images.labels) // MAX_IMAGES)
    return Images(images.images[::stride], images.labels[::stride])


def robustness(predict: Callable, images: Images) -> dict[str, float]:
    """The accuracy under each distortion, `test_accuracy_percent_<distortion>_<amount>`.

    Args:
      predict: images uint8 [BATCH, 28, 28] -> scores [BATCH, C].
      images: the test set; its `thinned` images are used.
    """
    xs, labels = thinned(images)
    figures = {}
    for demo in DEMOS:
        distorted = np.concatenate([demo.distort(xs, amount) for amount in demo.amounts])
        predictions = scores_of(predict, distorted).argmax(-1).reshape(len(demo.amounts), -1)
        accuracies = 100 * (predictions == labels).mean(-1)  # [amounts]
        names = [name(demo, amount) for amount in demo.amounts]
        figures |= dict(zip(names, accuracies.tolist(), strict=True))
    return figures


def name(demo: Demo, amount: float) -> str:
    """The figure's name in result.json."""
    return f"test_accuracy_percent_{demo.name}_{amount:g}"


def robustness_section(metrics: Mapping[str, float], images: Images, example: np.ndarray):
    """The plots of accuracy against distortion, each above one digit under that distortion.

    Args:
      metrics: with the figures of `robustness`.
      images: the test set on which they were measured.
      example: the digit, uint8 [28, 28].
    """
    count, total = len(thinned(images).labels), len(images.labels)
    which = f"all {total:,} test images"
    if count < total:
        which = f"{count:,} of the {total:,} test images, evenly spaced"
    text = (
        f"The accuracy on {which} when all of them are distorted by the same amount. Below each "
        "plot is one digit under that distortion; the ring marks the undistorted images.",
    )
    pictures = [
        Picture(drawing.plot(
            f"accuracy by {demo.name}", _accuracy(demo, metrics, example), 3.1, 2.6, ratios=(3, 1)
        ))
        for demo in DEMOS
    ]  # fmt: skip
    return Section("Robustness to distortions", text, pictures=pictures)


def _accuracy(demo: Demo, metrics: Mapping[str, float], example: np.ndarray):
    def draw(above, below):
        positions = range(len(demo.amounts))
        values = [metrics[name(demo, amount)] for amount in demo.amounts]
        neutral = demo.amounts.index(demo.neutral)
        above.plot(positions, values, "o-", markersize=4)
        above.plot(neutral, values[neutral], "o", markersize=9, fillstyle="none")
        above.set(ylim=(0, 104), ylabel="accuracy (%)", title=demo.name)
        above.tick_params(bottom=False)
        cells = [np.pad(demo.distort(example, a), ((0, 0), (1, 1))) for a in demo.amounts]
        extent = (-0.5, len(positions) - 0.5, 0, 1)
        below.imshow(np.hstack(cells), "gray_r", vmin=0, vmax=255,
                     extent=extent, aspect="auto", interpolation="none")  # fmt: skip
        below.set(yticks=[], xticks=positions, xlabel=demo.label)
        below.set_xticklabels([readable(amount) for amount in demo.amounts])
        below.grid(False)

    return draw
