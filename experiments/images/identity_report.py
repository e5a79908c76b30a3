"""The report of the identity: Mitchell's three figures, the codes, how many copies are right."""

from collections.abc import Mapping

import jax
import numpy as np

from experiments.images.identity import SHOWN, behaviour, trace
from experiments.reports import drawing, page
from experiments.reports.page import Cell, Picture, Section, Table
from experiments.runtime.numbers import counted, readable
from experiments.runtime.workdir import Workdir
from experiments.training.run import Trained
from nets.autoencoder import Autoencoder

MOST = 16  # examples in the table of codes, and lines in a plot


def write(config, workdir: Workdir, trained: Trained, result: Mapping, model: Autoencoder) -> None:
    """Writes report.html."""
    net = jax.jit(lambda params: behaviour(model, params))(trained.net.params)
    net = jax.tree.map(np.asarray, net)
    passes = config.batch_size / config.inputs
    labels = {
        "right_percent": "copies with all outputs right (%)",
        "distinct_percent": f"copies with {config.inputs} distinct codes (%)",
        "squared_error": "squared error, mean of copies",
    }
    sizes = "-".join(map(str, (*model.sizes, *model.sizes[-2::-1])))
    sections = [
        page.result_section(result, notes(config)),
        figures(config, trace(workdir), passes),
        codes(net, 0),
        page.curves_section(trained.metrics.rows, labels, passes, x="passes"),
        distribution(net),
        *page.configuration_sections(config, workdir),
    ]
    one = jax.tree.map(lambda leaf: leaf[0], trained.net.params)
    sections.insert(4, page.parameters_section(one, ("encoder", "decoder"), {}, ""))
    summary = (
        f"A net {sizes} learns to give back which of its {config.inputs} inputs is 1: "
        f"{counted(config.copies, 'copy', 'copies')}, each from first weights of its own, in "
        f"{readable(config.num_steps * passes)} passes through the {config.inputs} examples."
    )
    page.write(workdir.report, f"The identity {sizes}, preset {config.preset}", summary, sections)


def notes(config) -> list[str]:
    """How to read the figures."""
    return [
        "right: copies whose every output is on the right side of a half, for every example.",
        f"distinct: copies whose hidden values, rounded to 0 or 1, are {config.inputs} different "
        "codes. A hidden value near a half can be read by the next layer and still be rounded to "
        "another example's code.",
    ]


def figures(config, rows: list[dict], passes: float) -> Section:
    """Errors, hidden values and weights of the first copy against passes."""
    xs = [passes * row["step"] for row in rows]
    code = "0" * SHOWN + "1" + "0" * (config.inputs - SHOWN - 1) if config.inputs <= MOST else ""
    shown = f"input {code}" if code else f"the input whose number {SHOWN + 1} is 1"
    kinds = {
        "errors": ("squared error of each output", "Each output's squared error, summed over the "
                   "examples."),
        "hidden": ("hidden value", f"The hidden values for {shown}."),
        "weights": ("weight", "The weights from the inputs, and the bias (dashed), of one hidden "
                    "unit."),
    }  # fmt: skip

    def lines(name, label):
        def draw(axes):
            values = np.array([row[name] for row in rows])[:, -MOST - 1 :]
            for n, line in enumerate(values.T):
                bias = name == "weights" and n == values.shape[1] - 1
                axes.plot(xs, line, linewidth=1.2, linestyle="--" if bias else "-")
            axes.set(xlabel="passes", ylabel=label)
            axes.set_xlim(left=0)
            axes.locator_params(axis="x", nbins=5)

        return draw

    pictures = [
        Picture(drawing.plot(f"{label} against passes", lines(name, label)), caption)
        for name, (label, caption) in kinds.items()
    ]
    text = ("The first copy, as in Mitchell's three figures.",)
    return Section("How a net learns the identity", text, pictures=pictures)


def codes(net, copy: int) -> Section:
    """A copy's hidden values and outputs for each example."""
    hidden, outputs = net.hidden[copy][:MOST], net.outputs[copy][:MOST]
    size = outputs.shape[1]
    header = ("input", *(f"hidden {n}" for n in range(1, hidden.shape[1] + 1)), "code",
              *(str(n) for n in range(1, min(size, MOST) + 1)))  # fmt: skip
    rows = []
    for n, (values, row) in enumerate(zip(hidden, outputs, strict=True)):
        shades = [Cell(f"{y:.2f}", "right", float(np.clip(y, 0, 1))) for y in row[:MOST]]
        code = "".join("1" if value > 0.5 else "0" for value in values)
        name = "".join("1" if n == k else "0" for k in range(size)) if size <= MOST else str(n + 1)
        cells = (Cell(f"{v:.2f}", "right", float(np.clip(v, 0, 1))) for v in values)
        rows.append((name, *cells, code, *shades))
    text = ("Hidden values, the code they are rounded to, and the outputs of the first copy.",)
    return Section("The code found", text, Table(header, rows, "l" + "c" * len(header[1:])))


def distribution(net) -> Section:
    """How many copies have how many distinct codes, and how many are right."""
    distinct, right = np.asarray(net.distinct()), np.asarray(net.right())
    rows = [
        (f"{n}", f"{int((distinct == n).sum())}", f"{int(((distinct == n) & right).sum())}")
        for n in sorted({*distinct.tolist()}, reverse=True)
    ]
    header = ("distinct codes", "copies", "of these, with all outputs right")
    return Section("Codes of all copies", table=Table(header, rows))
