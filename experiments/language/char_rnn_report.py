"""The report of a character RNN: samples, hidden units and gradients through time."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from data.text import Text, text_of
from experiments.language.hidden_units import (
    RECORDED,
    record,
    saturation_section,
    units_section,
)
from experiments.language.sections import layers_of, samples_by_stage, training_curves
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section
from experiments.runtime.numbers import counted, readable
from experiments.runtime.workdir import Workdir
from experiments.training.cell_options import make_cell
from experiments.training.run import Trained
from nets.cells import LSTM, RNN
from nets.inspection import gradient_by_distance, spectral_radius
from nets.language_model import LanguageModel

STEPS_BACK, ROWS = 100, 20  # steps of the gradient, and excerpts to average it over


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, model: LanguageModel, text: Text
) -> None:
    """Writes report.html; the folder has config.json and samples.jsonl."""
    params = jax.tree.map(jnp.asarray, trained.net.params)
    codes = text.test[:RECORDED]
    layers = jax.device_get(record(model, params, jnp.asarray(codes)[:, None]))
    values = [values for values, _ in layers]
    size, symbol = len(text.train), config.unit.removesuffix("s")
    order = ("embedding", "layers", "output")
    sections = [
        page.result_section(result, notes(config)),
        *page.configuration_sections(config, workdir),
        page.parameters_section(params, order, {}, ""),
        training_curves(config, trained, size, {"nats_per_character": f"nats per {symbol}"}),
        samples_by_stage(workdir, symbol),
        units_section(np.concatenate(values, 1), text_of(codes, text.symbols), config.hidden),
        saturation_section([gates for _, gates in layers], values),
        gradients(config, params, text),
    ]
    summary = (
        f"{layers_of(config)} with {result['parameters']:,} parameters, trained for "
        f"{counted(result['steps'], 'step')} of {config.batch_size:,} × {config.unroll:,} "
        f"{config.unit} on {config.dataset}: {size:,} {config.unit} for training, "
        f"{len(text.test):,} for testing, an alphabet of {len(text.symbols):,}."
    )
    page.write(workdir.report, f"Character RNN, preset {config.preset}", summary, sections)


def notes(config) -> list[str]:
    """What to know about the figures."""
    lines = []
    if config.unit == "bytes":
        lines.append("This run reads bytes: where a figure says character, read byte.")
    if config.preset.startswith("karpathy"):
        lines.append(
            "Karpathy, Johnson and Li's table is quoted from memory. The GRU and the RNN are the "
            "largest with no more parameters than the LSTM."
        )
    if config.preset == "lecture":
        lines.append(
            "No figure is published for the lecture's net: compare it with the n-grams."
        )
    return lines


def gradients(config, params, text: Text) -> Section:
    """The gradient norm by steps back in time, in untrained cells and in the trained one."""
    starts = np.linspace(0, len(text.test) - STEPS_BACK - 1, ROWS).astype(int)
    if starts[-1] < 0:
        return Section("Gradients through time", ("The test text is too short.",))
    xs = jnp.asarray(text.test[starts[None] + np.arange(STEPS_BACK)[:, None]])  # [T, B]
    symbols = len(text.symbols)

    def key():
        return jax.random.key(config.seed)

    hidden = config.hidden
    direction = jax.random.normal(key(), (hidden,)) / np.sqrt(hidden)
    measure = jax.jit(gradient_by_distance, static_argnums=0)
    simple = RNN(hidden)
    initial = simple.init(key(), symbols)["hidden"]
    rnn = {
        f"radius {readable(radius)}": measure(
            simple, {"hidden": initial | {"h": radius * initial["h"]}}, xs, direction
        )
        for radius in (0.9, 1.0, 1.5)
    }
    lstm = {}
    for bias in (0.0, 1.0, 5.0):
        cell = LSTM(hidden, forget_bias=bias)
        init = cell.init(key(), symbols)
        lstm[f"forget bias {readable(bias)}"] = measure(cell, init, xs, direction)
    cell, weights = make_cell(config), params["layers"][0]
    inputs = params["embedding"][xs] if config.embedding else xs
    trained = {"trained": measure(cell, weights, inputs, direction)}
    radii = ", ".join(f"{gate} {spectral_radius(w['h']):.2f}" for gate, w in weights.items())
    pictures = [
        Picture(_norms("An untrained tanh RNN", rnn),
                "Orthogonal recurrent weights, scaled to three spectral radii."),
        Picture(_norms("An untrained LSTM", lstm), "Three initial biases of the forget gate."),
        Picture(_norms("Layer 1 of this run", trained),
                f"Spectral radius of the recurrent weights: {radii}."),
    ]  # fmt: skip
    introduction = (
        "How strongly the last output depends on the state a number of steps earlier: the norm of "
        "the gradient of the output along a random direction with respect to that state, the mean "
        f"over {ROWS} excerpts of the test text. A falling line is a vanishing gradient, a rising "
        "line an exploding one.",
    )
    return Section("Gradients through time", introduction, pictures=pictures)


def _norms(title: str, lines: Mapping[str, jax.Array]):
    def draw(axes):
        for label, norms in lines.items():
            axes.plot(np.arange(1, len(norms) + 1), norms, label=label)
        axes.set(xlabel="steps back", ylabel="gradient norm", title=title, yscale="log")
        axes.yaxis.minorticks_off()
        axes.legend()

    return drawing.plot(f"{title}: gradient norm against steps back", draw)
