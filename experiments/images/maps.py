"""Inside a net that reads digits: its first-layer filters, feature maps and output units."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import numpy as np

from experiments.reports import drawing
from experiments.reports.page import Picture, Section
from experiments.runtime.numbers import readable
from nets import lenet
from nets.bitmaps import HEIGHT, WIDTH, digit_bitmaps
from nets.convolution import from_tiles


def filters(params: Mapping, order: list[str]) -> Section:
    """The weights of the first layer, one picture for each of its units or maps."""
    first = next(name for name in order if name in params)
    weights = max(map(np.asarray, jax.tree.leaves(params[first])), key=np.ndim)
    if weights.ndim == 2:  # [784, units]
        weights = weights.reshape(28, 28, -1)
    pictures = np.moveaxis(weights.reshape(*weights.shape[:2], -1), -1, 0)  # [N, height, width]
    limit = float(np.abs(pictures).max())
    count, height, width = pictures.shape
    tiles = drawing.tiles(
        f"weights of {first}", pictures, -limit, limit, colors=drawing.SIGNED,
        columns=16 if count <= 64 else 25, side=56 if count <= 64 else 28,
    )  # fmt: skip
    text = (
        f"The {count} filters of {first}, {height} × {width} weights each: orange is positive, "
        f"blue negative, white 0; the largest absolute value is {readable(limit, 2)}.",
    )
    return Section("First-layer filters", text, pictures=[Picture(tiles)])


def activations(net: nn.Module, state, image: np.ndarray) -> dict[str, np.ndarray]:
    """The output of each layer for one image [28, 28], in the order of the layers."""
    names = []  # collected in tracing: a compiled function returns dictionaries sorted by key

    @jax.jit
    def outputs(variables, images):
        _, captured = net.apply(
            variables, images, capture_intermediates=True, mutable=["intermediates"]
        )
        captured = captured["intermediates"]
        names.extend(name for name in captured if name != "__call__")
        return [captured[name]["__call__"][0] for name in names]

    arrays = outputs({"params": state.params, **state.variables}, image[None])
    return dict(zip(names, map(_first_example, arrays), strict=True))


def _first_example(output: jax.Array) -> np.ndarray:
    """Maps [1, H, W, C], or maps in tiles, as [H, W, C]; units [1, D] as [D]."""
    if output.ndim == 6:
        return np.moveaxis(np.asarray(from_tiles(output))[..., 0], 0, -1)
    return np.asarray(output)[0]


def feature_maps(
    net, layers: Mapping[str, np.ndarray], image: np.ndarray, name: str
) -> list[Section]:
    """The activations of every hidden layer for one image of class `name`; [] without any."""
    outputs = hidden(net, layers)
    rectified = all(output.min() >= 0 for output in outputs.values())
    shades = "0 (white) to the layer's maximum" if rectified else "-1.72 (white) to 1.72"
    text = (
        f"The first test image, of class {name}: the activations layer by layer, from {shades} "
        "(black).",
    )
    pictures = [Picture(drawing.tiles("the image", image[None], 0, 255), "input")]
    pictures += [layer_picture(layer, output, rectified) for layer, output in outputs.items()]
    return [Section("Feature maps", text, pictures=pictures)] if outputs else []


def hidden(net, layers: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The activations of the layers between image and output."""
    if any(name.startswith("BatchNorm") for name in layers):
        return {n: np.maximum(xs, 0) for n, xs in layers.items() if n.startswith("BatchNorm")}
    names = list(layers)
    if not isinstance(net, lenet.LeNet5) or net.softmax:
        names = names[:-1]
    return {n: layers[n] if layers[n].ndim == 3 else squashed(layers[n]) for n in names}


def squashed(sums: np.ndarray) -> np.ndarray:
    """The activations of units with these weighted sums."""
    return np.asarray(lenet.squash(sums))


def layer_picture(name: str, output: np.ndarray, rectified: bool) -> Picture:
    """One layer's activations [height, width, maps] or [units], and a caption."""
    low, high = (0.0, float(output.max())) if rectified else (-1.7159, 1.7159)
    if output.ndim == 3:
        height, width, count = output.shape
        content = f"{count} maps of {height} × {width}"
        images, side = np.moveaxis(output, -1, 0), 56
    else:
        columns = WIDTH if len(output) == WIDTH * HEIGHT else _columns(len(output))
        content, images, side = f"{len(output)} units", output.reshape(1, -1, columns), 8 * columns
    return Picture(drawing.tiles(name, images, low, high, side=side), f"{name}: {content}")


def _columns(units: int) -> int:
    """The largest number of columns, up to 20, that fills every row."""
    return max(n for n in range(1, 21) if units % n == 0)


def output_units(sums: np.ndarray, label: int, classes: Sequence[str]) -> Section:
    """F6 next to the bitmap of the image's class, the penalties, and all ten bitmaps.

    Args:
      sums: the weighted sums of the 84 units of F6.
      label: of the image.
      classes: names by label.
    """
    f6, bitmaps = squashed(sums), digit_bitmaps()
    glyphs = bitmaps.reshape(-1, HEIGHT, WIDTH)
    pair = np.stack([f6.reshape(HEIGHT, WIDTH), glyphs[label]])
    text = (
        "The output units compare the 84 units of F6, arranged as 7 × 12 pixels, with the bitmap "
        "of each class: the penalty of a class is the squared distance, and the smallest wins.",
    )
    penalties = np.square(f6 - bitmaps).sum(-1)  # [10]
    pictures = [
        Picture(drawing.tiles("F6 and its target", pair, -1.7159, 1.7159, side=84),
                f"F6 and its target, the bitmap of {classes[label]}"),
        Picture(drawing.plot("penalties by class", _penalties(penalties, classes)),
                "the penalties for this image"),
        Picture(drawing.tiles("ten bitmaps", glyphs, -1.7159, 1.7159, columns=10, side=49),
                "all ten bitmaps"),
    ]  # fmt: skip
    return Section("Output units", text, pictures=pictures)


def _penalties(penalties: np.ndarray, classes):
    def draw(axes):
        colors = [drawing.ORANGE if p == penalties.min() else drawing.BLUE for p in penalties]
        bars = axes.barh(range(len(classes)), penalties, color=colors)
        axes.bar_label(bars, fmt="{:.1f}", padding=3)
        axes.set_yticks(range(len(classes)), [name[:12] for name in classes])
        axes.set(xlabel="squared distance from the bitmap", xlim=(0, 1.15 * penalties.max()))
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)

    return draw
