"""What the report of LeNet-5 and its sisters shows of a trained net and its test set."""

from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import numpy as np

from data.images import ImageSets
from experiments.images import maps as lenet5_maps
from experiments.images.robustness import robustness_section, scores_of
from experiments.reports import mistakes
from experiments.reports import page as report
from experiments.reports.page import Cell, Section, Table
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
COUNTS = {  # published numbers of trainable parameters, and where
    ("lenet5", False): (_LENET_5 | {"total": 60_000}, "LeCun et al. 1998, section II.B"),
    ("lenet5", True): (
        _LENET_5 | {"output": 850, "total": 60_850},
        "LeCun et al. 1998, section II.B; its output units are replaced by a softmax of 850",
    ),
    ("lenet1", False): ({"total": 2578}, "LeCun et al. 1990"),
}
_DRAWN = "The paper prints its bitmaps as a picture alone: ours are drawn anew."
_RUBBISH = "The paper gives no value for the rubbish constant j of eq. 9: here it is {rubbish:g}."
_SCALE = (
    "The loss is multiplied by {loss_scale:g}: as written, it diverges with the published first "
    "weights and learning rates."
)
_COUNT = "The paper's count of LeNet-4's weights does not fit its description, which we follow."
_TABLE = "The connections of LeNet-1 are taken from memory; they give the published count."


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
      workdir: the run's folder; its config.json is written.
      trained: the run.
      result: what result.json holds, `robustness` included.
      net: the architecture.
      predict: images uint8 [B, 28, 28] -> scores [B, C], of the trained net.
      sets: the images, those held out for validation among `train`.
    """
    size, test = len(sets.train.labels) - config.valid_size, sets.test
    read = scores_of(predict, test.images).argmax(-1)
    layers = lenet5_maps.activations(net, trained.state, test.images[0])
    kind, outputs = (config.net, config.softmax), []
    if kind == ("lenet5", False):
        outputs = [lenet5_maps.output_units(layers["F6"], test.labels[0], sets.classes)]
    sections = [
        report.results_section(result, unsaid(config)),
        *report.configuration_sections(config, workdir),
        report.parameters_section(
            trained.state.params, list(layers), *COUNTS.get(kind, ({}, ""))
        ),
        curves(config, trained, size),
        *([table_i()] if config.net == "lenet5" else []),
        lenet5_maps.filters(trained.state.params, list(layers)),
        *lenet5_maps.maps(net, layers, test.images[0], sets.classes[test.labels[0]]),
        *outputs,
        mistakes.confusion(test.labels, read, sets.classes),
        mistakes.misread(test, read, sets.classes),
        robustness_section(result["metrics"], test, test.images[0]),
    ]
    linear = config.net == "perceptron" and not config.hidden
    title = "A linear classifier" if linear else NAMES[config.net]
    summary = (
        f"{title} with {result['parameters']:,} parameters, trained for {config.num_steps:,} "
        f"steps of {config.batch_size:,} on {config.dataset}: {size:,} training images, "
        f"{len(test.labels):,} test images, {len(sets.classes)} classes."
    )
    report.write(workdir.report, f"{title}, preset {config.preset}", summary, sections)


def unsaid(config) -> list[str]:
    """Where the paper says too little, and the guesses that this run took."""
    bitmaps = config.net == "lenet5" and not config.softmax
    guesses = {
        _DRAWN: bitmaps,
        _RUBBISH: config.loss == "map",
        _SCALE: bitmaps and config.loss_scale != 1,
        _COUNT: config.net == "lenet4",
        _TABLE: config.net == "lenet1",
        "The paper's results are for MNIST; this run is on {dataset}.": config.dataset != "mnist",
    }
    return [line.format_map(vars(config)) for line, applies in guesses.items() if applies]


def curves(config, trained: Trained, size: int) -> Section:
    """Error and loss against passes."""
    steps = round(size / config.batch_size, 1)
    drawn = ", distorted at random" if config.distortions else ""
    text = (
        f"One pass is {size:,} examples, {steps:,g} steps. The training curve is the mean over "
        f"the steps since the point before it, as trained{drawn}.",
    )
    names = {"error_percent": "error (%)", "loss": "loss, as trained"}
    passes = config.batch_size / size
    return report.curves_section(trained.metrics.rows, names, passes, text)


def table_i() -> Section:
    """Which maps of S2 each map of C3 sees."""
    rows = [
        (str(i), *(Cell("×", "right", 0.5) if i in seen else "" for seen in lenet.TABLE_I))
        for i in range(6)
    ]
    header = ("S2 \\ C3", *map(str, range(len(lenet.TABLE_I))))
    text = ("Each column is a map of C3, marked at the maps of S2 that it sees.",)
    return Section("TABLE I: the connections of C3", text, Table(header, rows, "l" + "c" * 16))
