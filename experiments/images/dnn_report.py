"""The report of many copies of a small net: their accuracies, and what their units do."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data import cmu_faces, iris
from data.tables import TEST, TRAIN, Table
from experiments.images.copies import Copies, standardised
from experiments.images.dnn_scores import Evaluation
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section
from experiments.reports.page import Table as Cells
from experiments.runtime.numbers import counted, readable
from experiments.runtime.workdir import Workdir
from experiments.training.loop import Tree
from experiments.training.run import Trained

COLUMNS = 4  # of a table, whose pairs are drawn
GRID = 60  # points along each side of a region's picture
SHOWN = 200  # rows whose hidden units are drawn
FACES = 8
TITLES = {
    "": "", "averaged_loss_": "loss averaged over the batch", "summed_loss_": "loss summed over "
    "the batch", "new_people_": "tested on people whom the net has not seen",
}  # fmt: skip
COLOURS = (*drawing.COLOURS, "#b04a8f", "#7a6a4f", "#5f5fb0", "#9aa020", "#c0504d")


class Nets(NamedTuple):
    """The kept copies of the first group, and functions of them."""

    copies: Copies
    params: Tree  # stacked
    variables: Tree

    def one(self, place: int) -> Tree:
        return jax.tree.map(lambda xs: xs[place], self.params)

    def votes(self, inputs: np.ndarray) -> np.ndarray:
        """The share of the copies that vote for each class, [N, C], for inputs [N, D]."""
        net, classes = self.copies.net, len(self.copies.table.classes)

        @jax.jit
        def shares(params, inputs):
            sums = jax.vmap(net.sums, in_axes=(0, None))(params, inputs)
            return jax.nn.one_hot(sums.argmax(-1), classes).mean(0)

        return np.asarray(shares(self.params, standardised(self.variables, inputs)))

    def hidden(self, place: int, inputs: np.ndarray) -> list[np.ndarray]:
        """The units of one copy's hidden layers, each [N, H]."""
        hidden = self.copies.net.hidden(
            jax.tree.map(jnp.asarray, self.one(place)), standardised(self.variables, inputs)
        )
        return [np.asarray(units) for units in hidden]


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, evaluation: Evaluation,
    replayed: Callable[[Iterable[int]], Iterator[Tree]],
) -> None:  # fmt: skip
    """Writes report.html; `replayed` gives the first copy's parameters after some steps."""
    copies, table = evaluation.copies, evaluation.copies.table
    first = jax.tree.map(lambda xs: xs[: config.seeds], evaluation.params)
    nets = Nets(copies, first, evaluation.variables)
    faces = config.dataset == cmu_faces.NAME
    accuracies = evaluation.tested.accuracy[TEST]  # [copies]
    median = int(np.argsort(accuracies[: config.seeds], kind="stable")[(config.seeds - 1) // 2])
    parts = copies.groups[0].parts[median]
    labels = {"accuracy_percent": "accuracy (%)", "loss": "loss"}
    rows = (trained.metrics.rows, labels, config.batch_size / (parts == TRAIN).sum())
    sections = [
        page.result_section(result, notes(config, result, copies)),
        *page.configuration_sections(config, workdir),
        page.curves_section(*rows, x="passes through the training rows"),
        seeds_section(config, copies, accuracies, result),
        *([] if faces else regions_sections(nets, parts)),
        *(face_weights(config, copies, replayed) if faces and len(copies.net.widths) > 2 else []),
        *(faces_section(nets, median, parts) if faces else []),
        *([] if faces else hidden_sections(nets, median)),
    ]
    if config.dataset == "iris":
        sections.insert(4, new_flowers(nets))
    summary = (
        f"{counted(config.seeds, 'net')} of {widths(copies)} units, "
        f"{counted(result['parameters'], 'parameter')} each, trained side by side on "
        f"{config.dataset} for {counted(result['steps'], 'step')} of "
        f"{counted(config.batch_size, 'row')}: {counted(len(table.labels), 'row')} of "
        f"{counted(len(table.columns), 'number')}, "
        f"{counted(len(table.classes), 'class', 'classes')}."
    )
    page.write(workdir.report, f"Feed-forward nets, preset {config.preset}", summary, sections)


def widths(copies: Copies) -> str:
    return "-".join(map(str, copies.net.widths))


def notes(config, result: Mapping, copies: Copies) -> list[str]:
    """How the figures are to be read."""
    lines = [
        f"Figures are means over {counted(config.seeds, 'seed')} unless their names say otherwise."
    ] if config.seeds > 1 else []  # fmt: skip
    for group in copies.groups[1:]:
        name = group.prefix.rstrip("_").replace("_", " ")
        lines.append(f"Those of “{name}” are of as many nets again: {TITLES[group.prefix]}.")
    if any(name.endswith("dead_seeds") for name in result["metrics"]):
        lines.append("A net is dead if no training row activates any unit of one of its layers: "
                     "it gives the same answer for every row.")  # fmt: skip
    return lines


def seeds_section(config, copies: Copies, accuracies: np.ndarray, result: Mapping) -> Section:
    """How the test accuracies of the seeds are spread, group by group."""
    figure = next(iter(result["paper"].values()), None)
    groups = [accuracies[n : n + config.seeds] for n in range(0, len(accuracies), config.seeds)]
    low = max(0.0, min(accuracies.min(), figure["value"] if figure else 100) - 2)
    pictures = []
    for group, values in zip(copies.groups, groups, strict=True):
        title = TITLES[group.prefix] or (
            "people in all parts" if config.beside == "people" else
            f"loss {'summed' if group.summed else 'averaged'} over the batch")  # fmt: skip
        drawn = drawing.plot(f"test accuracies, {title}", _histogram(values, low, figure))
        pictures.append(Picture(drawn, f"{title}: median {readable(float(np.median(values)))} %"))
    text = ["Each net has its own first weights and its own order of the training rows."]
    if figure:
        text.append(f"The dashed line is the published accuracy, {readable(figure['value'])} %.")
    return Section("Seeds", text, pictures=pictures)


def _histogram(values: np.ndarray, low: float, figure):
    def draw(axes):
        axes.hist(values, bins=np.linspace(low, 100, 31))
        if figure:
            axes.axvline(figure["value"], color=drawing.ORANGE, linestyle="--")
        axes.set(xlabel="test accuracy (%)", ylabel="seeds", xlim=(low, 100.5))
        axes.locator_params(axis="y", integer=True)

    return draw


def new_flowers(nets: Nets) -> Section:
    """The tutorial's two flowers without a species, and what the nets say of them."""
    shares = nets.votes(np.array(iris.NEW_FLOWERS, np.float32))
    rows = [
        (", ".join(map(readable, flower)), *(f"{readable(100 * float(x))} %" for x in share))
        for flower, share in zip(iris.NEW_FLOWERS, shares, strict=True)
    ]
    text = ("The share of the nets that name each species. The lecture's program names versicolor "
            "and virginica.",)  # fmt: skip
    return Section("New flowers", text, Cells(("flower", *nets.copies.table.classes), rows))


def separating_columns(table: Table, rows: np.ndarray) -> list[int]:
    """The columns that separate the classes best: variance between over variance within."""
    inputs, labels = table.inputs[rows], table.labels[rows]
    means = np.stack([inputs[labels == c].mean(0) for c in np.unique(labels)])
    within = np.mean([inputs[labels == c].var(0) for c in np.unique(labels)], axis=0)
    order = np.argsort(-means.var(0) / np.maximum(within, 1e-12), kind="stable")
    return sorted(order[:COLUMNS].tolist())


def regions_sections(nets: Nets, parts: np.ndarray) -> list[Section]:
    """The regions of the classes in each pair of columns."""
    table, training = nets.copies.table, parts == TRAIN
    columns = separating_columns(table, training)
    if len(columns) < 2:
        return []
    pictures = [
        Picture(drawing.plot(f"regions by {table.columns[x]} and {table.columns[y]}",
                             _regions(nets, parts, x, y), 3.1, 2.8))
        for x, y in combinations(columns, 2)
    ]  # fmt: skip
    names = ", ".join(f"{name} {colour_name(n)}" for n, name in enumerate(table.classes[:3]))
    text = (
        "What the nets say where two columns vary and the others are as a linear regression on the "
        "two expects them; the stronger the colour, the more of the nets agree. Points are rows, "
        f"filled for testing{': ' + names if len(table.classes) <= 3 else ''}.",
    )
    return [Section("Decision regions", text, pictures=pictures)]


def colour_name(label: int) -> str:
    return ("blue", "orange", "green")[label]


def _rgb(label: int) -> list[float]:
    code = COLOURS[label % len(COLOURS)]
    return [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def _regions(nets: Nets, parts: np.ndarray, x: int, y: int):
    table, training = nets.copies.table, parts == TRAIN
    low, high = (f(table.inputs[:, [x, y]], axis=0) for f in (np.min, np.max))
    margin = 0.08 * (high - low) + 1e-6
    axis = [np.linspace(a, b, GRID) for a, b in zip(low - margin, high + margin, strict=True)]
    points = np.stack(np.meshgrid(*axis), -1).reshape(-1, 2)
    votes = nets.votes(completed(table.inputs[training], points, x, y)).reshape(GRID, GRID, -1)
    shades = np.empty((GRID, GRID, 4))
    winner = votes.argmax(-1)
    shades[..., :3] = np.array([_rgb(n) for n in range(votes.shape[-1])])[winner]
    shades[..., 3] = 0.55 * np.clip(2 * votes.max(-1) - 1, 0, 1) + 0.05

    def draw(axes):
        axes.imshow(shades, origin="lower", aspect="auto", interpolation="none",
                    extent=(*axis[0][[0, -1]], *axis[1][[0, -1]]))  # fmt: skip
        for label in range(len(table.classes)):
            for part, face in ((TRAIN, "none"), (TEST, _rgb(label))):
                rows = np.flatnonzero((table.labels == label) & (parts == part))[:SHOWN]
                axes.scatter(*table.inputs[rows][:, [x, y]].T, s=9, linewidths=0.7,
                             edgecolors=[_rgb(label)], facecolors=[face] if part == TEST else face)
        axes.set(xlabel=table.columns[x][:24], ylabel=table.columns[y][:24])
        axes.grid(False)

    return draw


def completed(inputs: np.ndarray, points: np.ndarray, x: int, y: int) -> np.ndarray:
    """Rows [M, D] of `points` [M, 2] in columns x and y; the others as regression expects them."""
    ones = np.ones((len(inputs), 1))
    terms = np.hstack([ones, inputs[:, [x, y]]])
    slopes, *_ = np.linalg.lstsq(terms, inputs, rcond=None)
    rows = np.hstack([np.ones((len(points), 1)), points]) @ slopes
    rows[:, [x, y]] = points
    return rows.astype(np.float32)


def hidden_sections(nets: Nets, place: int) -> list[Section]:
    """The hidden units of one net, a row a unit, over rows of the table sorted by class."""
    table = nets.copies.table
    order = np.argsort(table.labels, kind="stable")
    order = order[:: -(-len(order) // SHOWN)]
    layers = nets.hidden(place, table.inputs[order])
    if not layers:
        return []
    pictures = []
    for number, units in enumerate(layers, 1):
        low, high = float(units.min()), float(units.max())
        scaled = (units.T - min(low, 0)) / max(high - min(low, 0), 1e-12)  # [H, rows]
        silent = int((units.max(0) <= 0).sum()) if nets.copies.net.unit == "relu" else 0
        caption = f"Layer {number}: {counted(units.shape[1], 'unit')}"
        caption += f", of which no row activates {silent}" if silent else ""
        drawn = drawing.plot(f"hidden layer {number}", _units(scaled, table, order), 6.2,
                             0.9 + 0.11 * min(units.shape[1], 40))  # fmt: skip
        pictures.append(Picture(drawn, caption + f"; the strongest is {readable(high)}."))
    text = (
        f"The hidden units of the net of seed {nets.copies.config.seed + place}, the median of "
        "them by its accuracy on the test rows. Each row is a unit and each column a row of the "
        "table, sorted by class; the bluer, the more active.",
    )
    return [Section("Hidden units", text, pictures=pictures)]


def _units(scaled: np.ndarray, table: Table, order: np.ndarray):
    def draw(axes):
        drawing.weights(axes, scaled)
        labels = table.labels[order]
        edges = np.flatnonzero(np.diff(labels)) + 0.5
        for edge in edges:
            axes.axvline(edge, color=drawing.GREY, linewidth=0.8)
        places = [np.flatnonzero(labels == c).mean() for c in np.unique(labels)]
        names = [table.classes[c][:14] for c in np.unique(labels)]
        axes.set_xticks(places[:8], names[:8])
        axes.set(yticks=[], ylabel="units")

    return draw


def face_weights(config, copies: Copies, replayed) -> list[Section]:
    """The weights of a face net's hidden units as pictures, after one pass and after many."""
    size = int((copies.groups[0].parts[0] == TRAIN).sum())
    one_pass = -(-size // config.batch_size)
    passes = [n for n in (1, 100) if n * one_pass <= config.num_steps] or [1]
    steps = [min(n * one_pass, config.num_steps) for n in passes]
    pictures = []
    for n, params in zip(passes, replayed(steps), strict=True):
        weights = params[0]["weights"].T.reshape(-1, cmu_faces.HEIGHT, cmu_faces.WIDTH)
        limit = float(np.abs(weights).max()) or 1.0
        drawn = drawing.tiles(f"weights after {counted(n, 'pass', 'passes')}", weights, -limit,
                              limit, columns=min(len(weights), 10), side=96 if len(weights) < 8
                              else 64, colors=drawing.SIGNED)  # fmt: skip
        pictures.append(Picture(drawn, f"After {counted(n, 'pass', 'passes')}: from "
                                f"{readable(-limit)} (blue) to {readable(limit)} (orange)."))
    text = (
        "The weights from the pixels to each hidden unit of the first net (Mitchell's Figure "
        "4.10). They begin at 0, so that what is seen was learned.",
    ) if config.init == "zero-first" else (
        "The weights from the pixels to each hidden unit of the first net.",)  # fmt: skip
    return [Section("Weights", text, pictures=pictures)]


def faces_section(nets: Nets, place: int, parts: np.ndarray) -> list[Section]:
    """Test faces that one net gets wrong, and some that it gets right."""
    table = nets.copies.table
    rows = np.flatnonzero(parts == TEST)
    params = jax.tree.map(jnp.asarray, nets.one(place))
    inputs = standardised(nets.variables, table.inputs[rows])
    answers = np.asarray(nets.copies.net.sums(params, inputs)).argmax(-1)
    wrong, right = (rows[answers != table.labels[rows]], rows[answers == table.labels[rows]])
    said = dict(zip(rows.tolist(), answers.tolist(), strict=True))
    pictures = []
    for what, chosen in (("Right", right[:: max(1, len(right) // FACES)][:FACES]),
                         ("Wrong", wrong[: 2 * FACES])):  # fmt: skip
        if not len(chosen):
            continue
        images = table.inputs[chosen].reshape(-1, cmu_faces.HEIGHT, cmu_faces.WIDTH)
        names = ", ".join(
            table.classes[said[row]] if what == "Right" else
            f"{table.classes[table.labels[row]]} taken for {table.classes[said[row]]}"
            for row in chosen.tolist())  # fmt: skip
        drawn = drawing.tiles(f"{what} faces", images, 0, 1, columns=FACES, side=64,
                              colors=drawing.INK[::-1])  # fmt: skip
        pictures.append(Picture(drawn, f"{what}, from left to right, row by row: {names}."))
    text = (
        f"Test faces of the net of seed {nets.copies.config.seed + place}, the median by accuracy: "
        f"{len(wrong)} of {len(rows)} are wrong.",
    )
    return [Section("Faces", text, pictures=pictures)]
