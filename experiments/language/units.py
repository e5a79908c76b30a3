"""What single hidden units of a text's net have come to follow (after Karpathy et al. 2015)."""

import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np
from markupsafe import Markup, escape

from experiments.reports import drawing, page
from nets.cells import GRU, LSTM
from nets.inspection import Watched
from nets.language_model import LanguageModel
from nets.unroll import unroll

READ = 20_000  # symbols of the test text that the units are watched over
SHOWN, SHOWN_UNITS = 500, 4  # of these symbols, from the middle


@functools.partial(jax.jit, static_argnums=0)
def watch(model: LanguageModel, params, xs):
    """Values and gates of every layer over a text xs [T, 1]: [([T, H], {name: [T, H]}), ...].

    A unit's value is its output, or for an LSTM tanh of its cell.
    """
    layers, found = params["layers"], []
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
        found.append((values[:, 0], {name: gate[:, 0] for name, gate in gates.items()}))
    return found


def properties(text: str) -> dict[str, np.ndarray]:
    """What a unit might follow: numbers at each character of a text."""

    def running(count: Callable[[int, str], int]) -> np.ndarray:
        values, value = [], 0
        for symbol in text:
            value = count(value, symbol)
            values.append(value)
        return np.array(values, np.float64)

    return {
        "the place in the line": running(lambda n, s: 0 if s == "\n" else min(n + 1, 80)),
        "the place in the word": running(lambda n, s: n + 1 if s.isalpha() else 0),
        "being between quotation marks": running(lambda n, s: (1 - n) if s == '"' else n),
        "being between brackets": running(lambda n, s: 1 if s in "([" else 0 if s in ")]" else n),
        "capital letters": np.array([s.isupper() for s in text], np.float64),
        "blanks": np.array([s.isspace() for s in text], np.float64),
    }


def most_telling(values: np.ndarray, text: str) -> list[tuple[str, int, float]]:
    """(property, unit, correlation) for each property: the unit that follows it best.

    Args:
      values: [T, N] of all units.
      text: T characters.
    """
    units = (values - values.mean(0)) / np.maximum(values.std(0), 1e-9)
    found = []
    for name, wanted in properties(text).items():
        if wanted.std() > 0:
            correlations = units.T @ ((wanted - wanted.mean()) / wanted.std()) / len(text)
            best = int(np.abs(correlations).argmax())
            found.append((name, best, float(correlations[best])))
    return sorted(found, key=lambda row: -abs(row[2]))[:SHOWN_UNITS]


def coloured(text: str, values: Sequence[float]) -> Markup:
    """A text with each character on the colour of a value from -1 (blue) to 1 (orange)."""
    spans = (
        Markup('<span class="{}" style="--strength:{:.2f}">{}</span>').format(
            "wrong" if value > 0 else "right", min(abs(value), 1.0),
            Markup(escape(symbol)) if symbol != "\n" else "↵\n",
        )
        for symbol, value in zip(text, values, strict=True)
    )  # fmt: skip
    return Markup('<pre class="coloured">{}</pre>').format(Markup("").join(spans))


def units_section(values: np.ndarray, text: str, hidden: int) -> page.Section:
    """The most telling units over a stretch of the test text."""
    first = max(0, (len(text) - SHOWN) // 2)
    shown = slice(first, first + SHOWN)
    pictures = [
        page.Picture(
            coloured(text[shown], values[shown, unit]),
            f"Layer {unit // hidden + 1}, unit {unit % hidden + 1}, which follows {name}: "
            f"correlation {r:.2f}.",
        )
        for name, unit, r in most_telling(values, text)
    ]
    rule = (
        f"Of all units, the one whose value over {len(text):,} characters of the test text "
        "correlates most, up to sign, with each of six properties of the text; the four that "
        "correlate best are shown. Orange is 1, blue -1; the mark ↵ is a line's end. The net has "
        "read the character that is coloured.",
    )
    return page.Section("Units over the text", rule, pictures=pictures)


def saturation_section(gates: Sequence[dict[str, np.ndarray]], values) -> page.Section:
    """How much of the time each gate is nearly open or nearly shut."""
    names = list(gates[0])
    pictures = []
    for name in names:
        shares = [((g[name] < 0.1).mean(0), (g[name] > 0.9).mean(0)) for g in gates]
        pictures.append(page.Picture(_scatter(f"{name} gate", "< 0.1", "> 0.9", shares)))
    if not names:
        shares = [((v < -0.9).mean(0), (v > 0.9).mean(0)) for v in values]
        pictures.append(page.Picture(_scatter("outputs", "< -0.9", "> 0.9", shares)))
    text = (
        "Each point is a unit: the share of the test text's characters at which it is saturated "
        "to the left and to the right (Karpathy et al. 2015, Fig. 3).",
    )
    return page.Section("Saturation", text, pictures=pictures)


def _scatter(title: str, left: str, right: str, shares):
    def draw(axes):
        for n, (low, high) in enumerate(shares):
            axes.plot(low, high, "o", markersize=3, alpha=0.7, label=f"layer {n + 1}")
        axes.plot([0, 1], [1, 0], color=drawing.GREY, linewidth=0.8)
        axes.set(xlabel=f"share {left}", ylabel=f"share {right}", title=title,
                 xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))  # fmt: skip
        if len(shares) > 1:
            axes.legend()

    return drawing.plot(f"{title}: share {right} against share {left}", draw, 2.7, 2.7)
