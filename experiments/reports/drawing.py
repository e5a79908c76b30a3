"""Pictures inside a page: plots as inline SVG and small images as PNG, in one look.

A plot's text has the colour of the page's text and the page's font, so that it is read in light
and dark alike; its lines have colours that the colour-blind tell apart on both.

Matplotlib is imported when the first plot is drawn, at a run's end: it takes a quarter of the
time in which an experiment starts.
"""

import base64
import io
import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN = "#3a86c8", "#e08214", "#2a9d6f"
GREY = "#8a8a8a"
_TEXT = "#010203"  # stands for the colour of the page's text

# What comes from data must not be taken for mathematics ($...$), nor text be turned into outlines.
_LOOK = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "unfold",
    "font.size": 9,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": GREY,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": f"cycler(color={[BLUE, ORANGE, GREEN]})",
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": _TEXT,
    "ytick.labelcolor": _TEXT,
    "legend.frameon": False,
}


def plot(label: str, draw: Callable[..., None], width=3.8, height=2.6, ratios=(1,)) -> Markup:
    """A plot as inline SVG.

    Args:
      label: what it shows, for those who do not see it.
      draw: is given the axes, one for each of `ratios`, and draws on them.
      width, height: in inches; 3.8 inches are as wide as a phone.
      ratios: heights of axes one above the other, which share x.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_LOOK):
        figure = Figure((width, height), layout="constrained")
        grid = figure.subplots(
            len(ratios), sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios}
        )
        draw(*grid[:, 0])
        _number_log_scales(grid[:, 0])
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue().replace(_TEXT, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' id="[a-z0-9]+_\d+"', "", svg)  # a second plot would have the same again
    return Markup('<div class="plot" role="img" aria-label="{}">{}</div>').format(
        label, Markup(svg)
    )


def _number_log_scales(grid: "Iterable[Axes]") -> None:
    """Plain numbers at the powers of ten; matplotlib's own are mathematics."""
    from matplotlib.ticker import LogFormatter, NullFormatter

    for axis in (axis for axes in grid for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatter):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())


def log_scale_if_wide(axes: "Axes", values: list[float]) -> None:
    """A logarithmic y axis, with plain numbers, where values span more than a factor of 10."""
    from matplotlib.ticker import LogLocator

    if min(values) > 0 and max(values) > 10 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")


INK = ((255, 255, 255), (24, 24, 28))  # low values white, high values black
SIGNED = ((0, 96, 170), (250, 250, 250), (213, 94, 0))  # negative blue, 0 white, positive orange


def tiles(
    label: str,
    images: np.ndarray,
    low: float,
    high: float,
    *,
    columns: int = 8,
    side: int = 56,
    colors: tuple[tuple[int, int, int], ...] = INK,
) -> Markup:
    """Images side by side, each pixel a sharp square.

    Args:
      label: what they show, for those who do not see it.
      images: [N, height, width].
      low, high: the values that get the first and the last of `colors`.
      columns: images in a row.
      side: the width of one image in CSS pixels, about.
      colors: evenly spaced between `low` and `high`, with shades in between.
    """
    picture = _page(images, low, high, columns, colors)
    file = io.BytesIO()
    picture.save(file, "png", transparency=255, optimize=True)
    return _image(label, "png", file, picture.width * max(1, round(side / images.shape[2])))


def film(
    label: str,
    frames: np.ndarray,
    low: float,
    high: float,
    *,
    columns: int = 8,
    side: int = 112,
    colors: tuple[tuple[int, int, int], ...] = INK,
    milliseconds: int = 200,
) -> Markup:
    """Images side by side that move, again and again: frames [T, N, height, width].

    The other arguments are those of `tiles`; each frame is shown for so many milliseconds.
    """
    pages = [_page(images, low, high, columns, colors) for images in frames]
    file = io.BytesIO()
    pages[0].save(file, "gif", save_all=True, append_images=pages[1:], duration=milliseconds,
                  loop=0, transparency=255, disposal=2)  # fmt: skip
    return _image(label, "gif", file, pages[0].width * max(1, round(side / frames.shape[3])))


def _page(images: np.ndarray, low: float, high: float, columns: int, colors) -> Image.Image:
    """Images [N, height, width] in rows, with see-through lines (255) between them."""
    count, height, width = images.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    page = np.full((rows, height + 1, columns, width + 1), 255, np.uint8)
    levels = np.clip((images - low) / max(high - low, 1e-12), 0, 1) * 254
    for i, image in enumerate(np.rint(levels).astype(np.uint8)):
        page[i // columns, :-1, i % columns, :-1] = image
    picture = Image.fromarray(page.reshape(rows * (height + 1), -1)[:-1, :-1])
    picture.putpalette(_palette(colors).tobytes())
    return picture


def _image(label: str, kind: str, file: io.BytesIO, width: int) -> Markup:
    return Markup('<img class="tiles" width="{}" alt="{}" src="data:image/{};base64,{}">').format(
        width, label, kind, base64.b64encode(file.getvalue()).decode()
    )


def _palette(colors: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """255 shades through `colors`, and one that is see-through: uint8 [256, 3]."""
    places, shades = np.linspace(0, 1, len(colors)), np.linspace(0, 1, 255)
    channels = [np.interp(shades, places, channel) for channel in zip(*colors, strict=True)]
    return np.pad(np.rint(np.stack(channels, -1)).astype(np.uint8), ((0, 1), (0, 0)))
