"""The report of an autoencoder of images: reconstructions, codes, interpolations, filters."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from data.images import SIDE, Images, ImageSets
from experiments.images.linear_codes import LONGEST, principal_components
from experiments.images.reconstruction import pixels
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section
from experiments.runtime.numbers import counted, readable
from experiments.runtime.workdir import Workdir
from experiments.training.run import Trained
from nets.autoencoder import Autoencoder

SHOWN = 10  # images, one of each class as far as there are that many
POINTS = 2000  # of the map of codes
FILTERS = 64
BETWEEN = 10  # images in a row of interpolations
PAIRS = 5


def write(
    config,
    workdir: Workdir,
    trained: Trained,
    result: Mapping,
    model: Autoencoder,
    sets: ImageSets,
    linear: Mapping[str, np.ndarray],
    beside: Mapping[float, Mapping],
) -> None:
    """Writes report.html.

    Args:
      config: the run's options.
      workdir: the run's folder, with its config.json.
      trained: the finished run.
      result: the content of result.json.
      model: the net.
      sets: the images.
      linear: the test images as PCA and logistic PCA give them back, by method.
      beside: the parameters of nets trained with other shares of corrupted pixels.
    """
    params = jax.tree.map(jnp.asarray, trained.net.params)
    encode = jax.jit(model.encode)
    decode = jax.jit(lambda params, codes: jax.nn.sigmoid(model.decode(params, codes)))
    test = pixels(sets.test.images)
    codes = np.concatenate([np.asarray(encode(params, test[i : i + 1000]))
                            for i in range(0, len(test), 1000)])  # fmt: skip
    chosen = one_of_each(sets.test)
    labels = {"squared_error": "squared error of an image",
              "cross_entropy": "cross-entropy of an image (nats)"}  # fmt: skip
    size = len(sets.train.labels) - config.valid_size
    sections = [
        page.result_section(result, notes(config)),
        *page.configuration_sections(config, workdir),
        page.parameters_section(params, ("encoder", "decoder"), *published_counts(model)),
        page.curves_section(trained.metrics.rows, labels, config.batch_size / size),
        reconstructions(test[chosen], np.asarray(decode(params, codes[chosen])),
                        {name: found[chosen] for name, found in linear.items()}),
        map_of_codes(codes, sets.test.labels, sets.classes),
        interpolations(lambda codes: np.asarray(decode(params, codes)), codes, sets.test.labels),
        filters(config, params, beside, test.std(0)),
    ]  # fmt: skip
    sizes = "-".join(map(str, model.sizes))
    summary = (
        f"{counted(size, 'image')} (data {config.dataset}) go through a code of "
        f"{counted(model.sizes[-1], 'number')}: the encoder {sizes} and a decoder of the same "
        f"sizes, {result['parameters']:,} parameters, trained for "
        f"{counted(result['steps'], 'step')} of {counted(config.batch_size, 'image')}."
    )
    page.write(workdir.report, f"Autoencoder {sizes}, preset {config.preset}", summary, sections)


def notes(config) -> list[str]:
    """How to read the figures."""
    lines = [
        "The squared error is summed over an image's pixels, which are from 0 to 1. PCA and "
        f"logistic PCA (up to {LONGEST} numbers) have as many numbers for an image as the net's "
        "code. Logistic PCA is an autoencoder without hidden layers here; its best codes are "
        "those that suit each image best, found by search instead of by an encoder.",
    ]
    if config.corruption != "none":
        lines.append(
            f"In training {readable(100 * config.corrupted)} % of the input's pixels are corrupted "
            f"({config.corruption.replace('_', ' ')}); the figures of the test part are of whole "
            "images."
        )
    return lines


def published_counts(model: Autoencoder) -> tuple[dict[str, int], str]:
    """The deep net's number of parameters, and its source."""
    if model.sizes == (784, 1000, 500, 250, 30):
        return {"total": 2_837_314}, "the layers' sizes in the paper, weights not shared"
    return {}, ""


def one_of_each(images: Images) -> np.ndarray:
    """The number of the first image of each class, for the first classes."""
    _, first = np.unique(images.labels, return_index=True)
    return first[:SHOWN]


def as_images(vectors: np.ndarray) -> np.ndarray:
    """Vectors [N, 784] as images [N, 28, 28]."""
    return vectors.reshape(-1, SIDE, SIDE)


def reconstructions(xs: np.ndarray, net: np.ndarray, linear: Mapping) -> Section:
    """Test images above what each method makes of their codes."""
    names = {"logistic_pca_best_codes": "logistic PCA, best codes", "logistic_pca": "logistic PCA",
             "pca": "PCA"}  # fmt: skip
    rows = {"the images": xs, "the net": net}
    rows |= {title: linear[name] for name, title in names.items() if name in linear}
    tiles = drawing.tiles("Images and reconstructions", as_images(np.concatenate([*rows.values()])),
                          0, 1, columns=len(xs), side=56)  # fmt: skip
    caption = f"Row by row: {', '.join(rows)}."
    text = ("The first test image of each class, and what is left of it.",)
    return Section("Reconstructions", text, pictures=[Picture(tiles, caption)])


def map_of_codes(codes: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Section:
    """The codes of test images as points of a plane, coloured by class."""
    codes, labels = codes[:POINTS], labels[:POINTS]
    points, text = plane(codes)

    def draw(axes):
        from matplotlib import colormaps

        colors = colormaps["tab10" if len(classes) <= 10 else "turbo"]
        for label, name in enumerate(classes):
            members = points[labels == label]
            if len(members):
                shade = colors(label % 10 if len(classes) <= 10 else label / len(classes))
                axes.scatter(*members.T, s=6, color=shade, label=name, linewidths=0)
                axes.annotate(name, np.median(members, 0), ha="center", va="center", fontsize=12,
                              fontweight="bold")  # fmt: skip
        axes.set(xticks=[], yticks=[])
        axes.grid(False)

    picture = Picture(drawing.plot("Map of codes", draw, width=7, height=6),
                      "Each point is a test image; the colour and the name in the middle of its "
                      "points are its class's.")  # fmt: skip
    return Section("Map of codes", (text,), pictures=[picture])


def plane(codes: np.ndarray) -> tuple[np.ndarray, str]:
    """Codes [N, K] as points [N, 2], and how they were made."""
    if codes.shape[1] == 2:
        return codes, "The code is two numbers, which are the coordinates."
    if codes.shape[1] == 1:
        return np.pad(codes, ((0, 0), (0, 1))), "The code is one number, from left to right."
    text = f"The two principal components of codes of {codes.shape[1]} numbers."
    return principal_components(codes, 2).codes(codes), text


def interpolations(decode, codes: np.ndarray, labels: np.ndarray) -> Section:
    """What lies between the codes of images of two classes."""
    _, first = np.unique(labels, return_index=True)
    pairs = list(zip(first, np.roll(first, -1), strict=True))[:PAIRS]
    steps = np.linspace(0, 1, BETWEEN, dtype=np.float32)[:, None]
    rows = [codes[a] * (1 - steps) + codes[b] * steps for a, b in pairs]
    tiles = drawing.tiles("Interpolations", as_images(decode(np.concatenate(rows))), 0, 1,
                          columns=BETWEEN, side=56)  # fmt: skip
    text = ("Each row decodes equally spaced points on the line from one test image's code to "
            "another's.",)  # fmt: skip
    return Section("From one image to another", text, pictures=[Picture(tiles)])


def filters(config, params, beside: Mapping[float, Mapping], spread: np.ndarray) -> Section:
    """The weights into units of the first hidden layer, of this net and of those beside.

    `spread` [784] is the standard deviation of each pixel: where there is never any ink the first
    weights stay, and are noise.
    """
    own = config.corrupted if config.corruption != "none" else 0.0
    nets = dict(sorted({own: params, **beside}.items()))
    pictures = []
    for share, net in nets.items():
        weights = np.asarray(net["encoder"][0]["weights"]).T[:FILTERS] * spread
        scale = np.maximum(np.abs(weights).max(1, keepdims=True), 1e-12)
        label = f"{readable(100 * share)} % of the pixels corrupted" if share else "a plain net"
        tiles = drawing.tiles(f"Filters of {label}", as_images(weights / scale), -1, 1,
                              columns=8, side=42, colors=drawing.SIGNED)  # fmt: skip
        pictures.append(Picture(tiles, label[0].upper() + label[1:] + "."))
    text = (f"The weights into the first {len(weights)} hidden units, times the standard deviation "
            "of their pixels, and scaled to each unit's largest: orange is positive, blue "
            "negative.",)  # fmt: skip
    return Section("Filters", text, pictures=pictures)
