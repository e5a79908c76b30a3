"""The pictures of a report: plots as inline SVG, small images as PNG, films as GIF.

A plot's text takes the colour and font of the page around it, so that it is legible in light and
dark mode; the line colours are distinguishable by colour-blind readers in both.

Matplotlib is imported when the first plot is drawn, at the end of a run: importing it takes a
quarter of an experiment's start-up time.
"""

import base64
import io
import math
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from PIL import Image

from experiments.runtime.numbers import readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = BLUE, ORANGE, GREEN = ("#3a86c8", "#e08214", "#2a9d6f")
GREY = "#8a8a8a"
PHONE = 3.8  # inches: a phone's width
_TEXT = "#010203"  # a placeholder, replaced by the colour of the page's text

# A $ in the data must not start mathematics, and text must stay text instead of outlines.
_STYLE = {
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
    "axes.prop_cycle": f"cycler(color={[*COLOURS]})",
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": _TEXT,
    "ytick.labelcolor": _TEXT,
    "legend.frameon": False,
}


def plot(label: str, draw: Callable[..., None], width=PHONE, height=2.6, ratios=(1,)) -> Markup:
    """A plot as inline SVG.

    Args:
      label: what it shows, for screen readers.
      draw: is called with the axes, one for each of `ratios`, and draws on them.
      width, height: in inches; what is wider than a phone is scrolled there.
      ratios: relative heights of axes stacked on top of one another, which share x.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE), warnings.catch_warnings():
        # Text stays text: the browser has the glyphs that matplotlib's font lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure((width, height), layout="constrained")
        grid = figure.subplots(
            len(ratios), sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios}
        )
        draw(*grid[:, 0])
        _number_axes(grid[:, 0])
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue().replace(_TEXT, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' id="[a-z0-9]+_\d+"', "", svg)  # the next plot would repeat these ids
    # A point's title, which matplotlib has written as an address.
    svg = re.sub(r"<a xlink:href=(['\"])(.*?)\1[^>]*>(.*?)</a>", r"<g><title>\2</title>\3</g>",
                 svg, flags=re.DOTALL)  # fmt: skip
    return Markup('<div class="plot{}" role="img" aria-label="{}">{}</div>').format(
        " wide" if width > PHONE else "", label, Markup(svg)
    )


def titled_points(axes: "Axes", points: np.ndarray, titles: Sequence[str], **style) -> None:
    """A scatter of points [N, 2], each with a title that a browser shows under the pointer."""
    axes.scatter(*np.reshape(points, (-1, 2)).T, **style).set_urls(list(titles))


def labels_without_overlap(
    axes: "Axes", points: np.ndarray, labels: Sequence[str], fontsize: float = 8, most: int = 40
) -> None:
    """Writes labels beside their points, but none onto another or out of the axes.

    The first ones come first; `most` are written, on the right of a point or else on its left.
    """
    axes.figure.draw_without_rendering()  # from here on the axes have their place
    room, taken = axes.get_window_extent(), []

    def write(label, point, side, offset):
        text = axes.annotate(label, point, (offset, 3), textcoords="offset points",
                             fontsize=fontsize, ha=side, in_layout=False)  # fmt: skip
        box = text.get_window_extent()
        inside = room.x0 <= box.x0 and box.x1 <= room.x1 and box.y1 <= room.y1
        if inside and not any(box.overlaps(other) for other in taken):
            taken.append(box.padded(1))
            return True
        return text.remove()

    for point, label in zip(points, labels, strict=True):
        if len(taken) < most:
            write(label, point, "left", 3) or write(label, point, "right", -3)


def weights(axes: "Axes", values: np.ndarray) -> None:
    """A matrix of numbers from 0 to 1, the larger the bluer: 0 is the page itself."""
    red, green, blue = (int(BLUE[i : i + 2], 16) / 255 for i in (1, 3, 5))
    shades = np.empty((*values.shape, 4))
    shades[...] = red, green, blue, 0
    shades[..., 3] = values
    axes.imshow(shades, aspect="auto", interpolation="none")
    axes.grid(False)


def _number_axes(grid: "Iterable[Axes]") -> None:
    """Numbers as a person writes them, where matplotlib would write 10^n, 50000 or 0.50."""
    from matplotlib.ticker import LogFormatter, NullFormatter, ScalarFormatter

    for axis in (axis for axes in grid for axis in (axes.xaxis, axes.yaxis)):
        formatter = axis.get_major_formatter()
        if isinstance(formatter, ScalarFormatter | LogFormatter):
            axis.set_major_formatter(lambda value, position: readable(value))
        if isinstance(formatter, LogFormatter):
            axis.set_minor_formatter(NullFormatter())


def log_scale_if_wide(axes: "Axes", values: list[float]) -> None:
    """A logarithmic y axis, if the values span more than a factor of 10."""
    from matplotlib.ticker import LogLocator

    if min(values) > 0 and max(values) > 10 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.minorticks_off()


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
    """Images in a grid, each pixel a sharp square.

    Args:
      label: what they show, for screen readers.
      images: [N, height, width].
      low, high: the values drawn in the first and the last of `colors`.
      columns: images in a row.
      side: the approximate width of one image in CSS pixels.
      colors: evenly spaced from `low` to `high`, interpolated in between.
    """
    picture = _grid(images, low, high, columns, colors)
    file = io.BytesIO()
    picture.save(file, "png", transparency=255, optimize=True)
    return _image(label, "png", file, picture.width * max(1, round(side / images.shape[2])))


def colour_tiles(label: str, images: np.ndarray, *, columns: int = 8, side: int = 56) -> Markup:
    """Colour images uint8 [N, height, width, 3] in a grid, as `tiles` lays them out."""
    count, height, width, _ = images.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    pixels = np.zeros((rows, height + 1, columns, width + 1, 4), np.uint8)
    for i, image in enumerate(images):
        pixels[i // columns, :-1, i % columns, :-1, :3] = image
        pixels[i // columns, :-1, i % columns, :-1, 3] = 255
    picture = Image.fromarray(pixels.reshape(rows * (height + 1), -1, 4)[:-1, :-1])
    file = io.BytesIO()
    picture.save(file, "png", optimize=True)
    return _image(label, "png", file, picture.width * max(1, round(side / width)))


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
    """Films in a grid, as one GIF that plays in a loop: frames [T, N, height, width].

    Each frame is shown for `milliseconds`; the other arguments are those of `tiles`.
    """
    grids = [_grid(images, low, high, columns, colors) for images in frames]
    file = io.BytesIO()
    grids[0].save(file, "gif", save_all=True, append_images=grids[1:], duration=milliseconds,
                  loop=0, transparency=255, disposal=2)  # fmt: skip
    return _image(label, "gif", file, grids[0].width * max(1, round(side / frames.shape[3])))


def _grid(images: np.ndarray, low: float, high: float, columns: int, colors) -> Image.Image:
    """Images [N, height, width] in rows, separated by transparent lines (255)."""
    count, height, width = images.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    pixels = np.full((rows, height + 1, columns, width + 1), 255, np.uint8)
    levels = np.clip((images - low) / max(high - low, 1e-12), 0, 1) * 254
    for i, image in enumerate(np.rint(levels).astype(np.uint8)):
        pixels[i // columns, :-1, i % columns, :-1] = image
    picture = Image.fromarray(pixels.reshape(rows * (height + 1), -1)[:-1, :-1])
    picture.putpalette(_palette(colors).tobytes())
    return picture


def _image(label: str, kind: str, file: io.BytesIO, width: int) -> Markup:
    return Markup('<img class="tiles" width="{}" alt="{}" src="data:image/{};base64,{}">').format(
        width, label, kind, base64.b64encode(file.getvalue()).decode()
    )


def _palette(colors: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """255 shades interpolated through `colors`, and a transparent one: uint8 [256, 3]."""
    positions, shades = np.linspace(0, 1, len(colors)), np.linspace(0, 1, 255)
    channels = [np.interp(shades, positions, channel) for channel in zip(*colors, strict=True)]
    return np.pad(np.rint(np.stack(channels, -1)).astype(np.uint8), ((0, 1), (0, 0)))
