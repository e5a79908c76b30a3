"""What individual hidden units of a language model respond to (after Karpathy et al. 2015)."""

import functools
import itertools
from collections.abc import Callable, Sequence

import jax
import numpy as np
from markupsafe import Markup, escape

from experiments.reports import drawing, page
from nets.cells import GRU, LSTM
from nets.inspection import Watched
from nets.language_model import LanguageModel
from nets.unroll import unroll

RECORDED = 20_000  # symbols of the test text over which the units are recorded
SHOWN, SHOWN_UNITS = 500, 4  # symbols from the middle, and units


@functools.partial(jax.jit, static_argnums=0)
def record(model: LanguageModel, params, xs):
    """Values and gates of every layer over a text xs [T, 1]: [([T, H], {name: [T, H]}), ...].

    The value of a unit is its output, or for an LSTM the tanh of its cell.
    """
    layers, recorded = params["layers"], []
    if model.embedding:
        xs = params["embedding"][xs]
    for cell, weights in zip(model.cells, layers, strict=True):
        _, (carries, kept) = unroll(Watched(cell), weights, xs, cell.carry(1))
        if isinstance(cell, LSTM):
            xs, values = carries.h, kept.t
            gates = {"input": kept.i, "forget": kept.f, "output": kept.o}
        elif isinstance(cell, GRU):
            xs, values, gates = carries, carries, {"reset": kept[0], "update": kept[1]}
        else:
            xs, values, gates = carries, carries, {}
        recorded.append((values[:, 0], {name: gate[:, 0] for name, gate in gates.items()}))
    return recorded


def properties(text: str) -> dict[str, np.ndarray]:
    """What a unit might respond to, as a number for each character of a text."""

    def running(update: Callable[[int, str], int]) -> np.ndarray:
        values = itertools.accumulate(text, update, initial=0)
        return np.array([*values][1:], np.float64)

    brackets = {"(": 1, "[": 1, ")": 0, "]": 0}
    return {
        "the position in the line": running(lambda n, s: 0 if s == "\n" else min(n + 1, 80)),
        "the position in the word": running(lambda n, s: n + 1 if s.isalpha() else 0),
        "being inside quotation marks": running(lambda n, s: (1 - n) if s == '"' else n),
        "being inside brackets": running(lambda n, s: brackets.get(s, n)),
        "capital letters": np.array([s.isupper() for s in text], np.float64),
        "white space": np.array([s.isspace() for s in text], np.float64),
    }


def best_correlated(values: np.ndarray, text: str) -> list[tuple[str, int, float]]:
    """(property, unit, correlation) of the unit most correlated with each property, best first.

    Args:
      values: of all units, [T, N].
      text: T characters.
    """
    units = (values - values.mean(0)) / np.maximum(values.std(0), 1e-9)
    rows = []
    for name, target in properties(text).items():
        if target.std() > 0:
            correlations = units.T @ ((target - target.mean()) / target.std()) / len(text)
            best = int(np.abs(correlations).argmax())
            rows.append((name, best, float(correlations[best])))
    return sorted(rows, key=lambda row: -abs(row[2]))[:SHOWN_UNITS]


def highlighted(text: str, values: Sequence[float]) -> Markup:
    """A text, each character on a background from blue (-1) to orange (1)."""
    spans = (
        Markup('<span class="{}" style="--strength:{:.2f}">{}</span>').format(
            "wrong" if value > 0 else "right", min(abs(value), 1.0),
            Markup(escape(symbol)) if symbol != "\n" else "↵\n",
        )
        for symbol, value in zip(text, values, strict=True)
    )  # fmt: skip
    return Markup('<pre class="coloured">{}</pre>').format(Markup("").join(spans))


def units_section(values: np.ndarray, text: str, hidden: int) -> page.Section:
    """The units that respond most clearly to some property, on an excerpt of the test text."""
    first = max(0, (len(text) - SHOWN) // 2)
    excerpt = slice(first, first + SHOWN)
    pictures = [
        page.Picture(
            highlighted(text[excerpt], values[excerpt, unit]),
            f"Layer {unit // hidden + 1}, unit {unit % hidden + 1}: correlation {r:.2f} with "
            f"{name}.",
        )
        for name, unit, r in best_correlated(values, text)
    ]
    rule = (
        "For each of six properties of the text, the unit whose value has the largest absolute "
        f"correlation with it over {len(text):,} characters of the test text; the "
        f"{SHOWN_UNITS} best are shown. The background of a character is the unit's value after "
        "reading it: orange is 1, blue is -1. ↵ is the end of a line.",
    )
    return page.Section("Hidden units over the text", rule, pictures=pictures)


def saturation_section(gates: Sequence[dict[str, np.ndarray]], values) -> page.Section:
    """How often each gate is nearly open or nearly closed."""
    names = list(gates[0])
    pictures = []
    for name in names:
        fractions = [((g[name] < 0.1).mean(0), (g[name] > 0.9).mean(0)) for g in gates]
        pictures.append(page.Picture(_scatter(f"{name} gate", "< 0.1", "> 0.9", fractions)))
    if not names:
        fractions = [((v < -0.9).mean(0), (v > 0.9).mean(0)) for v in values]
        pictures.append(page.Picture(_scatter("outputs", "< -0.9", "> 0.9", fractions)))
    text = (
        "Each point is a unit: the fraction of the test text's characters at which it is "
        "saturated at the lower and at the upper end (Karpathy et al. 2015, Fig. 3).",
    )
    return page.Section("Saturation", text, pictures=pictures)


def _scatter(title: str, low_end: str, high_end: str, fractions):
    def draw(axes):
        for n, (low, high) in enumerate(fractions):
            axes.plot(low, high, "o", markersize=3, alpha=0.7, label=f"layer {n + 1}")
        axes.plot([0, 1], [1, 0], color=drawing.GREY, linewidth=0.8)
        axes.set(xlabel=f"fraction {low_end}", ylabel=f"fraction {high_end}", title=title,
                 xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))  # fmt: skip
        if len(fractions) > 1:
            axes.legend()

    return drawing.plot(f"{title}: fraction {high_end} against fraction {low_end}", draw, 2.7, 2.7)
