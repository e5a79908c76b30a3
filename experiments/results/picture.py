"""The front page's picture: the layers of a trained LeNet-5 for one digit.

    ./launch.sh results picture runs/lenet5/quick    writes experiments/results/lenet5.png
"""

import math
import pathlib
import types
from typing import TYPE_CHECKING

import numpy as np

from data import image_sets
from data.errors import UserError
from experiments import lenet5
from experiments.images import maps
from experiments.results import files
from experiments.training.trained_net import SavedRun, saved_run
from nets.bitmaps import HEIGHT, WIDTH, digit_bitmaps
from nets.lenet import LeNet5

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LIMIT = 1.7159  # the outputs of LeNet-5's units lie between -LIMIT and LIMIT
WIDTHS = {"input": 1.2, "C1": 1.4, "S2": 1.1, "C3": 1.6, "S4": 1.2, "C5": 0.9, "F6": 0.7,
          "target": 0.7}  # fmt: skip
GREY, BLUE, ORANGE = "#63676e", "#3a86c8", "#e08214"


def write(workdir: str) -> pathlib.Path:
    """Draws the layers of the run's net for the first test digit; returns the picture's path.

    Raises:
      UserError: the folder is not that of a run of LeNet-5 with the paper's output units.
    """
    saved = saved_run(workdir, ("lenet5",))
    config = saved.config(lenet5.Config, raw_dir=saved.written.get("raw_dir", ""))
    if config.net != "lenet5" or config.softmax:
        raise UserError(f"{workdir}: choose a run of LeNet-5 with the paper's output units.")
    test = image_sets.load(config.dataset, config.data_dir, config.raw_dir).test
    layers, penalties = activations(saved, test.images[0])
    path = files.FOLDER / "lenet5.png"
    draw(path, layers, penalties, int(test.labels[0]))
    return path


def activations(saved: SavedRun, image: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The input [28, 28] and the outputs of C1 to F6 as pictures [N, H, W], and penalties [10]."""
    params = lenet5.export_form(saved, None).parameters["params"]
    state, net = types.SimpleNamespace(params=params, variables={}), LeNet5()
    hidden = maps.hidden(net, maps.activations(net, state, image))
    layers = {"input": (image[None] / 127.5 - 1) * LIMIT}
    for name, output in hidden.items():
        layers[name] = np.moveaxis(output, -1, 0) if output.ndim == 3 else output
    f6 = layers["F6"]
    layers |= {"C5": layers["C5"].reshape(1, 12, 10), "F6": f6.reshape(1, HEIGHT, WIDTH)}
    return layers, np.square(f6 - digit_bitmaps()).sum(-1)


def draw(path: pathlib.Path, layers: dict, penalties: np.ndarray, label: int) -> None:
    """Writes the layers from left to right, then the digit's bitmap and the ten penalties."""
    from matplotlib.figure import Figure

    shown = layers | {"target": digit_bitmaps()[label].reshape(1, HEIGHT, WIDTH)}
    figure = Figure((10, 2.8), dpi=160, layout="constrained", facecolor="white")
    grid = figure.subplots(1, len(shown) + 1, width_ratios=[*WIDTHS.values(), 1.1])
    for axes, (name, pictures) in zip(grid, shown.items(), strict=False):
        sheet = _sheet(pictures, math.isqrt(len(pictures)))
        axes.imshow(sheet, cmap="gray_r", vmin=-LIMIT, vmax=LIMIT, interpolation="nearest")
        axes.set_title(_title(name, pictures), fontsize=9, color=GREY)
        axes.axis("off")
    _bars(grid[-1], penalties)
    figure.savefig(path, metadata={"Software": None})


def _title(name: str, pictures: np.ndarray) -> str:
    count, height, width = pictures.shape
    if name in ("C5", "F6"):
        return f"{name}\n{pictures.size} units"
    return f"{name}\n{f'{count} × ' if count > 1 else ''}{height} × {width}"


def _sheet(pictures: np.ndarray, columns: int) -> np.ndarray:
    """Pictures [N, H, W] in rows, one pixel apart; the gaps are NaN, and so white."""
    count, height, width = pictures.shape
    padded = np.pad(pictures, ((0, -count % columns), (0, 1), (0, 1)), constant_values=np.nan)
    rows = padded.reshape(-1, columns, height + 1, width + 1).swapaxes(1, 2)
    return rows.reshape(-1, columns * (width + 1))[:-1, :-1]


def _bars(axes: "Axes", penalties: np.ndarray) -> None:
    least = penalties.argmin()
    bars = axes.barh(range(10), penalties, color=BLUE)
    label = axes.bar_label(bars, fmt="{:.0f}", padding=2, fontsize=8, color=GREY)[least]
    axes.set_yticks(range(10), range(10), fontsize=8)
    for text in (label, axes.get_yticklabels()[least]):
        text.set(color=ORANGE, weight="bold")
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.set_title("squared distance\nfrom each target", fontsize=9, color=GREY)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
