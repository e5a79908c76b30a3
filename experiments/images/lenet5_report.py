"""The report of LeNet-5 and its relatives: the trained net and its test set."""

from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import numpy as np

from data.images import ImageSets
from experiments.images import maps
from experiments.images.robustness import robustness_section, scores_of
from experiments.reports import mistakes, page
from experiments.reports.page import Cell, Section, Table
from experiments.runtime.numbers import counted, readable
from experiments.runtime.workdir import Workdir
from experiments.training.run import Trained
from nets import lenet

NAMES = {
    "lenet5": "LeNet-5",
    "lenet4": "LeNet-4",
    "lenet1": "LeNet-1",
    "convnet": "A convolutional net of 2021",
    "perceptron": "A perceptron",
}
_LENET_5 = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48_120, "F6": 10_164}
COUNTS = {  # published numbers of trainable parameters, and their source
    ("lenet5", False): (_LENET_5 | {"total": 60_000}, "LeCun et al. 1998, section II.B"),
    ("lenet5", True): (
        _LENET_5 | {"output": 850, "total": 60_850},
        "LeCun et al. 1998, section II.B, with a softmax of 850 parameters for the output units",
    ),
    ("lenet1", False): ({"total": 2578}, "LeCun et al. 1990"),
}
_BITMAPS = "The paper shows its bitmaps only in a figure: those used here were redrawn from it."
_RUBBISH = "The paper gives no value for the constant j of eq. 9: this run uses {rubbish}."
_SCALE = (
    "The loss is multiplied by {loss_scale}: without the factor, training diverges with the "
    "published initialisation and learning rates."
)
_COUNT = "The paper's parameter count of LeNet-4 contradicts its description; we follow the latter."
_TABLE = "The connections of LeNet-1 are quoted from memory; they give the published count."


def write(
    config,
    workdir: Workdir,
    trained: Trained,
    result: Mapping,
    net: nn.Module,
    predict: Callable[[np.ndarray], jax.Array],
    sets: ImageSets,
) -> None:
    """Writes report.html.

    Args:
      config: the run's options.
      workdir: the run's folder, with its config.json.
      trained: the finished run.
      result: the content of result.json, with the figures of `robustness`.
      net: the architecture.
      predict: the trained net, from images uint8 [B, 28, 28] to scores [B, C].
      sets: the images; `train` includes those held out for validation.
    """
    size, test = len(sets.train.labels) - config.valid_size, sets.test
    predictions = scores_of(predict, test.images).argmax(-1)
    layers = maps.activations(net, trained.net, test.images[0])
    kind, outputs = (config.net, config.softmax), []
    if kind == ("lenet5", False):
        outputs = [maps.output_units(layers["F6"], test.labels[0], sets.classes)]
    sections = [
        page.result_section(result, notes(config)),
        *page.configuration_sections(config, workdir),
        page.parameters_section(
            trained.net.params, list(layers), *COUNTS.get(kind, ({}, ""))
        ),
        training_curves(config, trained, size),
        *([table_i()] if config.net == "lenet5" else []),
        maps.filters(trained.net.params, list(layers)),
        *maps.feature_maps(net, layers, test.images[0], sets.classes[test.labels[0]]),
        *outputs,
        mistakes.confusion(test.labels, predictions, sets.classes),
        mistakes.misclassified(test, predictions, sets.classes),
        robustness_section(result["metrics"], test, test.images[0]),
    ]
    linear = config.net == "perceptron" and not config.hidden
    title = "A linear classifier" if linear else NAMES[config.net]
    summary = (
        f"{title} with {result['parameters']:,} parameters, trained for "
        f"{counted(result['steps'], 'step')} of {counted(config.batch_size, 'image')} on "
        f"{config.dataset}: {size:,} training images, {len(test.labels):,} test images, "
        f"{len(sets.classes)} classes."
    )
    page.write(workdir.report, f"{title}, preset {config.preset}", summary, sections)


def notes(config) -> list[str]:
    """Where the paper leaves something open, and what this run assumes."""
    bitmaps = config.net == "lenet5" and not config.softmax
    sentences = {
        _BITMAPS: bitmaps,
        _RUBBISH: config.loss == "map",
        _SCALE: bitmaps and config.loss_scale != 1,
        _COUNT: config.net == "lenet4",
        _TABLE: config.net == "lenet1",
        "The paper's results are for MNIST; this run is on {dataset}.": config.dataset != "mnist",
    }
    values = vars(config) | {
        name: readable(getattr(config, name)) for name in ("rubbish", "loss_scale")
    }
    return [line.format_map(values) for line, applies in sentences.items() if applies]


def training_curves(config, trained: Trained, size: int) -> Section:
    """Error and loss against passes through the training set."""
    steps = readable(round(size / config.batch_size, 1), 5)
    distorted = ", on randomly distorted digits" if config.distortions else ""
    text = (
        f"One pass is {size:,} examples or {steps} steps. Each point of the training curve is "
        f"the mean over the steps since the previous point{distorted}.",
    )
    labels = {"error_percent": "error (%)", "loss": "loss"}
    return page.curves_section(trained.metrics.rows, labels, config.batch_size / size, text)


def table_i() -> Section:
    """Which maps of S2 each map of C3 is connected to."""
    mark = Cell("×", "right", 0.5)
    rows = [(str(i), *(mark if i in column else "" for column in lenet.TABLE_I)) for i in range(6)]
    header = ("S2 \\ C3", *map(str, range(len(lenet.TABLE_I))))
    text = ("Each column is a map of C3; × marks the maps of S2 that it is connected to.",)
    return Section("TABLE I: the connections of C3", text, Table(header, rows, "l" + "c" * 16))
