"""The report of learned filters: pictures of them, their Gabor fits, sparse reconstructions."""

from collections.abc import Mapping, Sequence

import numpy as np

from data import natural_images
from experiments.images.filter_scores import (
    BETTER,
    BINS,
    COEFFICIENTS,
    GABOR,
    RECONSTRUCTED,
    Dictionary,
    Scores,
    flat,
    orientation_counts,
    pursuit,
    reconstruction,
    share_of_gabors,
)
from experiments.images.maxout import KernelScores
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section, Table
from experiments.runtime.numbers import counted, readable
from experiments.runtime.workdir import Workdir
from experiments.training.run import Trained
from nets.gabor import gabor

GREYS = ((0, 0, 0), (255, 255, 255))  # as the figures of both papers are printed
SHOWN = 256  # functions at most
PATCHES = 8  # reconstructed
MODELS = {"sparse_coding": "Sparse coding", "s3c": "Spike-and-slab sparse coding"}


def write_patches(
    config,
    workdir: Workdir,
    trained: Trained,
    result: Mapping,
    scores: Scores,
    images: Sequence[np.ndarray],
    tested: np.ndarray,
) -> None:
    """Writes report.html of functions learned from patches.

    Args:
      config: the run's options.
      workdir: the run's folder, with its config.json.
      trained: the finished run.
      result: the content of result.json.
      scores: of the trained functions, and of the controls.
      images: the whitened images.
      tested: patches [M, P].
    """
    objective = "nats" if config.model == "s3c" else "energy"
    labels = {
        objective: "-ln p, bound (nats)" if config.model == "s3c" else "energy of a patch",
        "unexplained_percent": "unexplained squares (%)", "active_percent": "active functions (%)",
    }  # fmt: skip
    sections = [
        page.result_section(result, _notes()),
        *page.configuration_sections(config, workdir),
        functions(scores.learned),
        gabors((scores.learned, *scores.controls)),
        orientations(scores.learned),
        reconstructions(scores, tested),
        use(scores),
        page.curves_section(trained.metrics.rows, labels, config.batch_size, x="patches"),
        whitening(images),
    ]
    side = config.side
    summary = (
        f"{MODELS[config.model]} of patches of {side} × {side} pixels (data {config.dataset}): "
        f"{counted(config.functions, 'function')}, learned in "
        f"{counted(result['steps'], 'step')} of {counted(config.batch_size, 'patch', 'patches')}."
    )
    page.write(workdir.report, f"Filters, preset {config.preset}", summary, sections)


def _notes() -> list[str]:
    return [
        f"A function counts as a Gabor function if the fit explains at least {GABOR:.0%} of its "
        "squared weights; dead functions, which no tested patch uses, count as none.",
        f"Orientations are counted in {BINS} bins of {180 // BINS} degrees.",
    ]


def scaled(filters: np.ndarray) -> np.ndarray:
    """Each filter [N, ...] divided by its largest absolute weight; one of zeros stays."""
    most = np.abs(filters).reshape(len(filters), -1).max(1)
    return filters / np.maximum(most, 1e-12).reshape(-1, *[1] * (filters.ndim - 1))


def grey_tiles(label: str, filters: np.ndarray, columns: int, side: int = 32):
    """Filters with 0 as middle grey."""
    return drawing.tiles(label, scaled(filters), -1, 1, columns=columns, side=side, colors=GREYS)


def functions(learned: Dictionary) -> Section:
    """All the functions, those with the best fit first."""
    order = np.argsort(-learned.fits.r2)[:SHOWN]
    text = ("As in Fig. 9.19, left, of Bengio, Goodfellow and Courville. Middle grey is 0; the "
            "functions are in the order of their fits, the best first.",)  # fmt: skip
    picture = grey_tiles("Learned functions", learned.filters[order], 16)
    return Section("Learned functions", text, pictures=[Picture(picture)])


def gabors(dictionaries: Sequence[Dictionary]) -> Section:
    """The fits beside those of the controls, and the functions under their fits."""
    shares = (GABOR, BETTER)
    header = ("functions", "count", *(f"R² ≥ {least} (%)" for least in shares), "median R²")
    rows = [
        (d.name, readable(len(d.filters)),
         *(readable(share_of_gabors(d.fits, least)) for least in shares),
         readable(float(np.median(d.fits.r2))))
        for d in dictionaries
    ]  # fmt: skip
    learned = dictionaries[0]
    order = np.argsort(-learned.fits.r2)[np.linspace(0, len(learned.filters) - 1, 16).astype(int)]
    pairs = np.concatenate([learned.filters[order], fitted(learned)[order]])
    pictures = [
        Picture(drawing.plot("Fits by rank", _draw_r2(dictionaries)),
                "R² of each function's fit, from the best to the worst."),
        Picture(grey_tiles("Functions and fits", pairs, 16),
                "Sixteen functions from the best fit to the worst, and their fits below."),
        *(Picture(grey_tiles(d.name, d.filters[:32], 16), f"Control: {d.name}.")
          for d in dictionaries[1:]),
    ]  # fmt: skip
    return Section("Gabor functions", table=Table(header, rows), pictures=pictures)


def fitted(dictionary: Dictionary) -> np.ndarray:
    """The fitted Gabor functions, as pixels."""
    f = dictionary.fits
    points = np.stack([f.cosine, f.sine, f.x0, f.y0, np.log(f.across), np.log(f.along),
                       f.orientation, f.frequency], 1)  # fmt: skip
    return gabor(points, dictionary.filters.shape[-1])


def _draw_r2(dictionaries):
    def draw(axes):
        for d, colour in zip(dictionaries, (*drawing.COLOURS, drawing.GREY), strict=False):
            share = 100 * (np.arange(len(d.filters)) + 1) / len(d.filters)
            axes.plot(share, np.sort(d.fits.r2)[::-1], color=colour, label=d.name)
        axes.axhline(GABOR, color=drawing.GREY, linestyle=":")
        axes.set(xlabel="share of functions (%)", ylabel="R²", ylim=(0, 1.02), xlim=(0, 100))
        axes.legend(loc="lower left")

    return draw


def orientations(dictionary: Dictionary) -> Section:
    """How the Gabor functions are oriented, how long their waves are and where they lie."""
    fits, found = dictionary.fits, dictionary.fits.r2 >= GABOR
    side = dictionary.filters.shape[-1]

    def by_angle(axes):
        edges = 180 / BINS * np.arange(BINS)
        axes.bar(edges, orientation_counts(fits), width=0.9 * 180 / BINS, align="edge")
        axes.set(xlabel="orientation (degrees)", ylabel="functions", xticks=range(0, 181, 30))

    def by_frequency(axes):
        axes.scatter(fits.frequency[found], fits.orientation[found] * 180 / np.pi, s=9)
        axes.set(xlabel="frequency (cycles per pixel)", ylabel="orientation (degrees)",
                 xlim=(0, 0.5), ylim=(0, 180))  # fmt: skip

    def by_shape(axes):
        f = fits.frequency[found]
        axes.scatter(fits.across[found] * f, fits.along[found] * f, s=9)
        axes.set(xlabel="width across the stripes (waves)", ylabel="width along (waves)")

    def by_place(axes):
        axes.scatter(fits.x0[found], -fits.y0[found], s=9)
        axes.set(xlabel="place (pixels)", ylabel="place (pixels)",
                 xlim=(-side / 2, side / 2), ylim=(-side / 2, side / 2))  # fmt: skip

    plots = {
        "Orientations of the stripes' normal.": by_angle,
        "Frequency and orientation.": by_frequency,
        "Widths of the envelopes, in wavelengths.": by_shape,
        "Centres of the envelopes within a patch.": by_place,
    }
    pictures = [Picture(drawing.plot(caption, draw), caption) for caption, draw in plots.items()]
    text = (f"Of the {int(found.sum()):,} functions that are Gabor functions.",)
    return Section("Orientations and frequencies", text, pictures=pictures)


def reconstructions(scores: Scores, tested: np.ndarray) -> Section:
    """Patches as sums of few functions, chosen by orthogonal matching pursuit."""
    rows, side = flat(scores.learned), scores.learned.filters.shape[-1]
    strongest = np.argsort(-(tested[:RECONSTRUCTED] ** 2).sum(1))[10 : 10 + PATCHES]
    lines = []
    for x in tested[strongest]:
        chosen = pursuit(rows, x, COEFFICIENTS[-1])
        sums = [reconstruction(rows, x, chosen[:k]) for k in COEFFICIENTS]
        lines += [line / np.abs(x).max() for line in (x, *sums)]
    picture = drawing.tiles(
        "Reconstructions", np.reshape(lines, (-1, side, side)), -1, 1,
        columns=len(COEFFICIENTS) + 1, side=48, colors=GREYS,
    )  # fmt: skip
    header = ("functions", *map(str, COEFFICIENTS))
    table = [(name, *map(readable, shares)) for name, shares in scores.unexplained.items()]
    text = ("The share of squares (%) that the best 1, 2, 4, 8 and 16 functions leave over, for "
            "the learned functions and the controls; the same search for all.",)  # fmt: skip
    caption = "A patch in each row, and its sums of 1, 2, 4, 8 and 16 learned functions."
    return Section("Few coefficients", text, Table(header, table), pictures=[
        Picture(picture, caption)])  # fmt: skip


def use(scores: Scores) -> Section:
    """How often each function is active, and the distribution of one coefficient."""
    share = 100 * np.sort(scores.active.mean(0))[::-1]
    middle = int(np.argsort(scores.codes.std(0))[len(share) // 2])
    values = scores.codes[:, middle]

    def by_function(axes):
        axes.plot(np.arange(1, len(share) + 1), share)
        axes.set(xlabel="function, the most used first", ylabel="active (% of patches)")
        axes.set_ylim(bottom=0)

    def histogram(axes):
        axes.hist(values / max(values.std(), 1e-12), bins=61, range=(-6, 6), log=True)
        axes.set(xlabel="coefficient (standard deviations)", ylabel="patches")

    pictures = [
        Picture(drawing.plot("Use of functions", by_function), "How often functions are active."),
        Picture(drawing.plot("A coefficient", histogram),
                "The coefficients of a function of middling use: mostly 0, with long tails."),
    ]  # fmt: skip
    return Section("Use of the functions", pictures=pictures)


def whitening(images: Sequence[np.ndarray]) -> Section:
    """The amplitudes of the images by frequency: flat if they are white."""
    frequency, amplitude = natural_images.spectrum(images)

    def draw(axes):
        axes.plot(frequency, amplitude, marker="o", markersize=3)
        axes.set(xlabel="frequency (cycles per pixel)", ylabel="amplitude")
        axes.set_ylim(bottom=0)

    text = ("Filters depend on the whitening: amplitudes should be flat up to about 0.25 cycles "
            "per pixel, and fall beyond.",)  # fmt: skip
    plot = Picture(drawing.plot("Amplitude by frequency", draw))
    return Section("Whitened images", text, pictures=[plot])


def write_maxout(
    config, workdir: Workdir, trained: Trained, result: Mapping, scores: KernelScores
) -> None:
    """Writes report.html of a maxout net and its first layer."""
    labels = {"error_percent": "error (%)", "loss": "loss"}
    sections = [
        page.result_section(result, _notes()[:1]),
        *page.configuration_sections(config, workdir),
        kernels(scores),
        pairs(scores),
        orientations(scores.grey),
        page.curves_section(trained.metrics.rows, labels, config.batch_size, x="images"),
    ]
    summary = (
        f"A convolutional maxout net with {config.maps.replace(',', ', ')} maps of two pieces "
        f"and {result['parameters']:,} parameters, trained on {config.dataset} for "
        f"{counted(result['steps'], 'step')} of {counted(config.batch_size, 'image')}."
    )
    page.write(workdir.report, f"Maxout's filters, preset {config.preset}", summary, sections)


def kernels(scores: KernelScores) -> Section:
    """The first layer's kernels, those of a map side by side."""
    colours = np.rint(127.5 * (1 + scaled(scores.kernels))).astype(np.uint8)
    gap = np.full((len(colours) // 2, colours.shape[1], 1, 3), 255, np.uint8)
    twins = np.concatenate([colours[::2], gap, colours[1::2]], 2)
    picture = drawing.colour_tiles("Kernels in pairs", twins, columns=8, side=70)
    text = ("As in Fig. 9.19, right, of Bengio, Goodfellow and Courville: neighbouring pairs "
            "drive the same maxout unit. The whitening is undone; middle grey is 0.",)  # fmt: skip
    return Section("Kernels of the first layer", text, pictures=[Picture(picture)])


def pairs(scores: KernelScores) -> Section:
    """Whether the two kernels of a unit resemble each other more than two of any units."""

    def draw(axes):
        axes.hist(scores.by_chance, bins=40, color=drawing.GREY, label="random pairs")
        axes.axvline(scores.correlations.mean(), color=drawing.ORANGE, label="pairs of a unit")
        axes.set(xlabel="mean |correlation| of pairs", ylabel="random pairings")
        axes.legend()

    text = (f"{int(scores.chromatic.sum()):,} of {len(scores.chromatic):,} kernels are chromatic: "
            "less than half of their squared weights lie along grey.",)  # fmt: skip
    return Section("Pairs and colours", text, pictures=[Picture(drawing.plot("Pairs", draw))])
