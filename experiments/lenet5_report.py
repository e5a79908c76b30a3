"""What the report of LeNet-5 and its sisters shows of a trained net and its test set."""

from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import numpy as np

from data.images import Images, ImageSets
from experiments import drawing, report
from experiments.report import Cell, Picture, Section, Table
from experiments.robustness import robustness_section, scores_of
from experiments.training_run import Trained
from experiments.workdir import Workdir
from nets import lenet
from nets.bitmaps import HEIGHT, WIDTH, digit_bitmaps

NAMES = {
    "lenet5": "LeNet-5",
    "lenet4": "LeNet-4",
    "lenet1": "LeNet-1",
    "convnet": "A convolutional net of 2021",
    "perceptron": "A perceptron",
}
_LENET_5 = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48_120, "F6": 10_164}
COUNTS = {  # published numbers of trainable parameters
    ("lenet5", False): _LENET_5 | {"total": 60_000},
    ("lenet5", True): _LENET_5 | {"output": 850, "total": 60_850},
    ("lenet1", False): {"total": 2578},
}
UNSAID = {
    "lenet5": "What the paper leaves unsaid, and the guess taken here: its bitmaps are printed as "
    "a picture alone, so ours are drawn anew; the rubbish constant j of eq. 9 is {rubbish:g}; and "
    "the loss is multiplied by {loss_scale:g}, without which the published first weights and "
    "learning rates diverge.",
    "lenet4": "The paper's count of LeNet-4's weights does not fit its description; this net "
    "follows the description.",
    "lenet1": "The connections of LeNet-1 are taken from memory; they give the published count.",
}
MOST_WRONG = 100
LARGEST_MATRIX = 40  # classes


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
    layers = activations(net, trained.state, test.images[0])
    kind = (config.net, config.softmax)
    sections = [
        report.results_section(result, unsaid(config)),
        *report.configuration_sections(config, workdir),
        report.parameters_section(
            trained.state.params, list(layers), COUNTS.get(kind, {}), "LeCun et al. 1998"
        ),
        curves(config, trained, size),
        *([table_i()] if config.net == "lenet5" else []),
        filters(trained.state.params, list(layers)),
        maps(net, layers, test.images[0], test.labels[0], sets.classes),
        confusion(test.labels, read, sets.classes),
        misread(test, read, sets.classes),
        robustness_section(result["metrics"], test, test.images[0]),
    ]
    title = NAMES[config.net]
    summary = (
        f"{title} with {result['parameters']:,} parameters, trained for {config.num_steps:,} "
        f"steps of {config.batch_size:,} on {config.dataset}: {size:,} training images, "
        f"{len(test.labels):,} test images, {len(sets.classes)} classes."
    )
    report.write(workdir.report, f"{title}, preset {config.preset}", summary, sections)


def unsaid(config) -> list[str]:
    """Where this run had to go beyond the paper."""
    lines = [UNSAID[config.net].format_map(vars(config))] if config.net in UNSAID else []
    if config.dataset != "mnist":
        lines.append(f"The paper's results are for MNIST; this run is on {config.dataset}.")
    return lines


def curves(config, trained: Trained, size: int) -> Section:
    """Error and loss against passes."""
    drawn = ", distorted at random" if config.distortions else ""
    text = (
        f"One pass is {size:,} examples, {size / config.batch_size:,.4g} steps. The training "
        f"curve is the mean over the steps since the point before it, as trained{drawn}.",
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


def filters(params: Mapping, order: list[str]) -> Section:
    """All weights of the first layer, one picture for each of its units or maps."""
    first = next(name for name in order if name in params)
    weights = max(map(np.asarray, jax.tree.leaves(params[first])), key=np.ndim)
    if weights.ndim == 2:  # [784, units]
        weights = weights.reshape(28, 28, -1)
    pictures = np.moveaxis(weights.reshape(*weights.shape[:2], -1), -1, 0)  # [N, height, width]
    limit = float(np.abs(pictures).max())
    count, height, width = pictures.shape
    shown = drawing.tiles(
        f"weights of {first}", pictures, -limit, limit, colors=drawing.SIGNED,
        columns=8 if count <= 64 else 20, side=56 if count <= 64 else 28,
    )  # fmt: skip
    text = (
        f"The {count} filters of {first}, {height} × {width}: orange is positive, blue negative, "
        f"white 0; the largest weight is {limit:.2g}.",
    )
    return Section("First-layer filters", text, pictures=[Picture(shown)])


def activations(net: nn.Module, state, image: np.ndarray) -> dict[str, np.ndarray]:
    """The output of each layer for one image [28, 28], in the order of the layers."""
    variables = {"params": state.params, **state.variables}
    _, kept = net.apply(
        variables, image[None], capture_intermediates=True, mutable=["intermediates"]
    )
    kept = kept["intermediates"]
    return {
        name: np.asarray(outputs["__call__"][0][0])
        for name, outputs in kept.items()
        if name != "__call__"
    }


def maps(net, layers: Mapping[str, np.ndarray], image, label, classes) -> Section:
    """What every layer makes of one image."""
    pictures = [Picture(drawing.tiles("the image", image[None], 0, 255), "input")]
    for name, output in hidden(net, layers).items():
        pictures.append(Picture(*layer_picture(name, output)))
    text = [f"The first test image, of class {classes[label]}, layer by layer."]
    if isinstance(net, lenet.LeNet5) and not net.softmax:
        pictures += targets(np.asarray(lenet.squash(layers["F6"])), label, classes)
        text.append(
            "The output units compare F6, as a picture of 7 × 12, with the bitmap of each class: "
            "the penalty is the squared distance, and the smallest wins."
        )
    return Section("Feature maps", text, pictures=pictures)


def hidden(net, layers: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The layers between image and output, after their non-linearity."""
    if any(name.startswith("BatchNorm") for name in layers):
        return {n: np.maximum(xs, 0) for n, xs in layers.items() if n.startswith("BatchNorm")}
    names = list(layers)
    if not isinstance(net, lenet.LeNet5) or net.softmax:
        names = names[:-1]
    return {n: layers[n] if layers[n].ndim == 3 else np.asarray(lenet.squash(layers[n]))
            for n in names}  # fmt: skip


def layer_picture(name: str, output: np.ndarray):
    """One layer's output [height, width, maps] or [units], and what it is."""
    low, high = (0.0, float(output.max())) if output.min() >= 0 else (-1.7159, 1.7159)
    if output.ndim == 1:
        columns = WIDTH if len(output) == 84 else max(d for d in range(1, 21)
                                                      if len(output) % d == 0)  # fmt: skip
        picture = drawing.tiles(name, output.reshape(1, -1, columns), low, high, side=8 * columns)
        return picture, f"{name}: {len(output)} units"
    height, width, count = output.shape
    picture = drawing.tiles(name, np.moveaxis(output, -1, 0), low, high)
    return picture, f"{name}: {count} maps of {height} × {width}, black {high:.3g}, white {low:.3g}"


def targets(f6: np.ndarray, label: int, classes) -> list[Picture]:
    """The class's bitmap beside F6 [84], the penalties by class, and all ten bitmaps."""
    bitmaps = digit_bitmaps()
    penalties = np.square(f6 - bitmaps).sum(-1)  # [10]
    glyphs = bitmaps.reshape(-1, HEIGHT, WIDTH)

    def draw(axes):
        colors = [drawing.ORANGE if p == penalties.min() else drawing.BLUE for p in penalties]
        axes.barh(range(len(classes)), penalties, color=colors)
        axes.set_yticks(range(len(classes)), [name[:12] for name in classes])
        axes.set(xlabel="penalty", ylabel="class")
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)

    return [
        Picture(drawing.tiles("bitmap", glyphs[label][None], -1, 1), f"target of {classes[label]}"),
        Picture(drawing.plot("penalties by class", draw), "Penalties of the ten output units."),
        Picture(drawing.tiles("ten bitmaps", glyphs, -1, 1, columns=10, side=42),
                "The ten bitmaps, drawn anew for this project."),
    ]  # fmt: skip


def confusion(labels: np.ndarray, read: np.ndarray, classes) -> Section:
    """How often each class was read as each."""
    if len(classes) > LARGEST_MATRIX:
        return Section("Confusion matrix", (f"Left out: {len(classes)} classes.",))
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (labels, read), 1)
    worst = max((counts - np.diag(counts.diagonal())).max(), 1)
    rows = [
        (name, *(confusion_cell(i == j, count, row.sum(), worst) for j, count in enumerate(row)),
         f"{100 * row[i] / row.sum():.1f}" if row.sum() else "")
        for i, (name, row) in enumerate(zip(classes, counts, strict=True))
    ]  # fmt: skip
    text = ("Rows are the labels, columns what the net read.",)
    return Section("Confusion matrix", text, Table(("", *classes, "right (%)"), rows))


def confusion_cell(right: bool, count: int, total: int, worst: int) -> Cell | str:
    """A count; nothing where there is none."""
    if not count:
        return ""
    strength = count / total if right else 0.2 + 0.8 * count / worst
    return Cell(str(count), "right" if right else "wrong", strength)


def misread(test: Images, read: np.ndarray, classes) -> Section:
    """The wrongly read images with label and answer."""
    wrong = np.flatnonzero(read != test.labels)
    pictures = [
        Picture(drawing.tiles("", test.images[i][None], 0, 255),
                f"{classes[test.labels[i]]} → {classes[read[i]]}")
        for i in wrong[:MOST_WRONG]
    ]  # fmt: skip
    shown = f"; the first {MOST_WRONG} are shown" if len(wrong) > MOST_WRONG else ""
    text = (f"{len(wrong):,} of {len(read):,} test images were read wrongly{shown}.",
            "Below each: its label → what it was read as.")  # fmt: skip
    return Section("Wrongly read", text[: 1 + bool(pictures)], pictures=pictures)
