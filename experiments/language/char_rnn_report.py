"""What the report of the character RNN shows of a trained net and its text."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from data.text import Text, text_of
from experiments.language.sections import samples_by_stage, training_curves
from experiments.language.units import READ, saturation_section, units_section, watch
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section
from experiments.runtime.workdir import Workdir
from experiments.training.cell_options import make_cell
from experiments.training.run import Trained
from nets.cells import LSTM, RNN
from nets.inspection import gradient_by_distance, spectral_radius
from nets.language_model import LanguageModel

STEPS_BACK, ROWS = 100, 20  # of the gradient's way, and texts that it is averaged over


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, model: LanguageModel, text: Text
) -> None:
    """Writes report.html; config.json and samples.jsonl are written."""
    params = jax.tree.map(jnp.asarray, trained.state.params)
    read = text.test[:READ]
    layers = jax.device_get(watch(model, params, jnp.asarray(read)[:, None]))
    values = [values for values, _ in layers]
    size = len(text.train)
    order = ("embedding", "layers", "output")
    sections = [
        page.result_section(result, unsaid(config)),
        *page.configuration_sections(config, workdir),
        page.parameters_section(params, order, {}, ""),
        training_curves(config, trained, size, {"nats_per_character": "nats per character"}),
        samples_by_stage(workdir, "symbol"),
        units_section(np.concatenate(values, 1), text_of(read, text.symbols), config.hidden),
        saturation_section([gates for _, gates in layers], values),
        gradients(config, params, text),
    ]
    title = f"{config.layers}-layer {config.cell} of {config.hidden}"
    summary = (
        f"A character RNN, {title}, {result['parameters']:,} parameters, trained for "
        f"{config.num_steps:,} steps of {config.batch_size} x {config.unroll} {config.unit} of "
        f"{config.dataset}: {size:,} to train on, {len(text.test):,} to test on, "
        f"{len(text.symbols)} different ones."
    )
    page.write(workdir.report, f"Character RNN, preset {config.preset}", summary, sections)


def unsaid(config) -> list[str]:
    """The guesses that this run took where the papers say too little."""
    lines = []
    if config.preset.startswith("karpathy"):
        lines.append(
            "Karpathy, Johnson and Li's table is quoted from memory; the GRU and RNN are "
            "the largest whose parameters are no more than the LSTM's."
        )
    if config.preset == "lecture":
        lines.append("No figure is published for the lecture's net: compare with the n-grams.")
    return lines


def gradients(config, params, text: Text) -> Section:
    """The gradient's norm against its way back in time: fresh cells beside the trained one."""
    starts = np.linspace(0, len(text.test) - STEPS_BACK - 1, ROWS).astype(int)
    if starts[-1] < 0:
        return Section("Gradients through time", ("The test text is too short to follow one.",))
    xs = jnp.asarray(text.test[starts[None] + np.arange(STEPS_BACK)[:, None]])  # [T, B]
    symbols = len(text.symbols)

    def key():
        return jax.random.key(config.seed)

    hidden = config.hidden
    direction = jax.random.normal(key(), (hidden,)) / np.sqrt(hidden)
    measure = jax.jit(gradient_by_distance, static_argnums=0)
    simple = RNN(hidden)
    drawn = simple.init(key(), symbols)["hidden"]
    rnn = {
        f"radius {radius:g}": measure(
            simple, {"hidden": drawn | {"h": radius * drawn["h"]}}, xs, direction
        )
        for radius in (0.9, 1.0, 1.5)
    }
    lstm = {}
    for bias in (0.0, 1.0, 5.0):
        cell = LSTM(hidden, forget_bias=bias)
        lstm[f"forget bias {bias:g}"] = measure(cell, cell.init(key(), symbols), xs, direction)
    cell, weights = make_cell(config), params["layers"][0]
    inputs = params["embedding"][xs] if config.embedding else xs
    trained = {"trained": measure(cell, weights, inputs, direction)}
    radii = ", ".join(f"{gate} {spectral_radius(w['h']):.2f}" for gate, w in weights.items())
    pictures = [
        Picture(_norms("A fresh tanh RNN", rnn), "Orthogonal recurrent weights, scaled."),
        Picture(_norms("A fresh LSTM", lstm), "By the first bias of the forget gate."),
        Picture(_norms("This run's cell, layer 1", trained),
                f"Spectral radius of its recurrent weights: {radii}."),
    ]  # fmt: skip
    words = (
        "How strongly the last output depends on the state so many steps before it: the norm of "
        f"its gradient along a random direction, the mean over {ROWS} stretches of the test text. "
        "A line that falls is a gradient that vanishes, one that climbs a gradient that explodes.",
    )
    return Section("Gradients through time", words, pictures=pictures)


def _norms(title: str, lines: Mapping[str, jax.Array]):
    def draw(axes):
        for label, norms in lines.items():
            axes.plot(np.arange(1, len(norms) + 1), norms, label=label)
        axes.set(xlabel="steps back", ylabel="norm of the gradient", title=title, yscale="log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.minorticks_off()
        axes.legend()

    return drawing.plot(f"{title}: norm of the gradient against steps back", draw)
