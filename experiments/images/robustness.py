"""The lecture's demonstrations: how far digits may be distorted and still be read.

Six distortions, each of a few amounts: accuracy on test images, and the plots of it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from data import distortions
from data.batches import padded_batches
from data.images import Images
from experiments.reports import drawing
from experiments.reports.page import Picture, Section

BATCH = 500
MOST = 2000  # test images that are distorted, spread evenly over the set
NOISE_SEED = 0


class Demo(NamedTuple):
    """One kind of distortion: images and an amount give images."""

    name: str
    words: str  # the axis, unit included
    distort: Callable[[np.ndarray, float], np.ndarray]
    neutral: float
    amounts: tuple[float, ...]


_FACTORS = (0.6, 0.7, 0.85, 1, 1.2, 1.4, 1.7)
DEMOS = (
    Demo("translation", "moved to the right by (pixels)", distortions.translate, 0,
         (-6, -4, -2, 0, 2, 4, 6)),
    Demo("scale", "enlarged (factor)", distortions.scale, 1, _FACTORS),
    Demo("rotation", "turned counter-clockwise by (degrees)", distortions.rotate, 0,
         (-45, -30, -15, 0, 15, 30, 45)),
    Demo("squeezing", "made tall and narrow (factor)", distortions.squeeze, 1, _FACTORS),
    Demo("stroke", "strokes thicker, edge moved by (pixels)", distortions.stroke, 0,
         (-1, -0.5, 0, 0.5, 1, 2, 3)),
    Demo("noise", "inverted pixels (share)",
         lambda images, share: distortions.noise(images, share, NOISE_SEED), 0,
         (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)),
)  # fmt: skip


def scores_of(predict: Callable, images: np.ndarray) -> np.ndarray:
    """Scores float [N, C] of any number of images uint8 [N, 28, 28].

    `predict` maps [BATCH, 28, 28] to [BATCH, C], so that it is compiled for one shape.
    """
    batches = padded_batches((images,), BATCH)
    return np.concatenate([np.asarray(predict(cut))[mask > 0] for (cut,), mask in batches])


def chosen(images: Images) -> Images:
    """At most MOST of the images, evenly spread, as MNIST's second half is harder to read."""
    stride = -(-len(images.labels) // MOST)
    return Images(images.images[::stride], images.labels[::stride])


def robustness(predict: Callable, images: Images) -> dict[str, float]:
    """Accuracy of each distortion: `test_accuracy_percent_<distortion>_<amount>` -> percent.

    Args:
      predict: images uint8 [BATCH, 28, 28] -> scores [BATCH, C].
      images: the test set, of which `chosen` is read.
    """
    xs, labels = chosen(images)
    figures = {}
    for demo in DEMOS:
        distorted = np.concatenate([demo.distort(xs, amount) for amount in demo.amounts])
        read = scores_of(predict, distorted).argmax(-1).reshape(len(demo.amounts), -1)
        accuracies = 100 * (read == labels).mean(-1)  # [amounts]
        names = [name(demo, amount) for amount in demo.amounts]
        figures |= dict(zip(names, accuracies.tolist(), strict=True))
    return figures


def name(demo: Demo, amount: float) -> str:
    """A figure's name in result.json."""
    return f"test_accuracy_percent_{demo.name}_{amount:g}"


def robustness_section(metrics: Mapping[str, float], images: Images, example: np.ndarray):
    """The plots, each with one digit under the same distortions.

    Args:
      metrics: from `robustness`.
      images: the test set that they were measured on.
      example: the digit, uint8 [28, 28].
    """
    count, total = len(chosen(images).labels), len(images.labels)
    which = f"all {total:,} test images"
    if count < total:
        which = f"{count:,} of the {total:,} test images, evenly spread"
    text = (
        f"Accuracy on {which}, with all of them distorted alike; below each plot, what that does "
        "to one digit. The ring marks the undistorted images.",
    )
    pictures = [
        Picture(drawing.plot(
            f"accuracy by {demo.name}", _accuracy(demo, metrics, example), 3.1, 2.6, ratios=(3, 1)
        ))
        for demo in DEMOS
    ]  # fmt: skip
    return Section("How much distortion it takes", text, pictures=pictures)


def _accuracy(demo: Demo, metrics: Mapping[str, float], example: np.ndarray):
    def draw(above, below):
        places = range(len(demo.amounts))
        values = [metrics[name(demo, amount)] for amount in demo.amounts]
        neutral = demo.amounts.index(demo.neutral)
        above.plot(places, values, "o-", markersize=4)
        above.plot(neutral, values[neutral], "o", markersize=9, fillstyle="none")
        above.set(ylim=(0, 104), ylabel="accuracy (%)", title=demo.name)
        above.tick_params(bottom=False)
        cells = [np.pad(demo.distort(example, a), ((0, 0), (1, 1))) for a in demo.amounts]
        extent = (-0.5, len(places) - 0.5, 0, 1)
        below.imshow(np.hstack(cells), "gray_r", vmin=0, vmax=255,
                     extent=extent, aspect="auto", interpolation="none")  # fmt: skip
        below.set(yticks=[], xticks=places, xlabel=demo.words)
        below.set_xticklabels([f"{amount:g}" for amount in demo.amounts])
        below.grid(False)

    return draw
