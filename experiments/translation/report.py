"""The report of a translator: translations, BLEU by length, attention and sentence vectors."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from data.parallel_text import Corpus, Pairs
from data.vocabulary import BEGIN, END
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section, Table
from experiments.runtime.numbers import counted, readable
from experiments.runtime.workdir import Workdir
from experiments.training.cell_options import cell_name
from experiments.training.run import Trained
from experiments.translation.pairs import source_codes
from experiments.translation.scores import scores, signatures
from experiments.translation.translator import Translator

EXAMPLES = 20  # translations shown
ATTENTION_MAPS = 3  # sentences whose attention weights are shown
VECTORS = 300  # sentence vectors plotted
UNITS = {"words": "word", "characters": "character", "subwords": "subword"}


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, translator: Translator,
    corpus: Corpus, translations: Sequence[str],
) -> None:  # fmt: skip
    """Writes report.html; `translations` are the best ones of the test set."""
    params = jax.tree.map(jnp.asarray, trained.net.params)
    size = len(corpus.train.sources)
    order = ("source", "target", "encoder", "decoder", "maxout", "output")
    labels = {"perplexity": "perplexity", "gradient_norm": "gradient norm"}
    sections = [
        page.result_section(result, notes(config)),
        *page.configuration_sections(config, workdir),
        page.parameters_section(params, order, {}, ""),
        page.curves_section(
            trained.metrics.rows, labels, config.batch_size / size,
            (f"Perplexity is per target {UNITS[config.target_unit]}; training perplexity is "
             "measured with dropout.",),
        ),
        examples(corpus.test, translations),
        by_length(config, corpus.test, translations),
        *attention(translator, params, corpus.test, translations),
        vectors(translator, params, corpus.test),
    ]  # fmt: skip
    languages = f" {config.source} to {config.target}" if config.dataset == "multi30k" else ""
    sides = translator.vocabularies
    summary = (
        f"Data {config.dataset}{languages}: {size:,} sentence pairs for training, "
        f"{len(corpus.test.sources):,} for testing. Form {config.form} with "
        f"{cell_name(config.cell)} layers of {counted(config.hidden, 'unit')}, "
        f"{len(sides.source):,} source {config.source_unit} and {len(sides.target):,} target "
        f"{config.target_unit}, {result['parameters']:,} parameters; "
        f"{counted(result['steps'], 'step')} of {counted(config.batch_size, 'pair')}."
    )
    page.write(workdir.report, f"Translation, preset {config.preset}", summary, sections)


def notes(config) -> list[str]:
    """How the translations were found and the figures computed."""
    cased, lower = signatures(config)
    return [
        f"BLEU is computed by sacrebleu: {cased}; lower-cased: {lower}.",
        f"Translations are found by a beam search of width {config.beam}, with log-probabilities "
        f"divided by {_power(config.length_power)}. Perplexity is per target "
        f"{UNITS[config.target_unit]}, ends included.",
    ]


def _power(power: float) -> str:
    return "the length" if power == 1 else f"the length to the power of {readable(power)}"


def spread(pairs: Pairs, count: int) -> list[int]:
    """The numbers of at most `count` sentences, evenly spaced over the set."""
    return sorted(set(np.linspace(0, len(pairs.sources) - 1, count).astype(int).tolist()))


def examples(test: Pairs, translations: Sequence[str]) -> Section:
    """Translations next to their references; a source that comes again is not shown again."""
    shown = {test.sources[n]: n for n in reversed(spread(test, EXAMPLES))}.values()
    rows = [(f"{n + 1:,}", test.sources[n], translations[n], test.targets[n])
            for n in sorted(shown)]  # fmt: skip
    table = Table(("line", "source", "translation", "reference"), rows, "llll")
    text = ("Lines at regular intervals in the test set, not selected by hand.",)
    return Section("Translations", text, table)


def by_length(config, test: Pairs, translations: Sequence[str]) -> Section:
    """BLEU of sentences of similar length, by the length of the source."""
    lengths = np.array([len(line.split()) for line in test.sources])
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, 8)).astype(int))
    groups = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        last = high == edges[-1]
        chosen = np.flatnonzero((lengths >= low) & ((lengths < high) | (last & (lengths == high))))
        if len(chosen):
            figures = scores(config, *([lines[n] for n in chosen]
                                     for lines in (translations, test.targets)))  # fmt: skip
            groups.append((float(lengths[chosen].mean()), figures["bleu"], len(chosen)))
    if not groups:
        return Section("BLEU by length", ("All sources have the same length.",))

    def draw(axes):
        lengths, values, _ = zip(*groups, strict=True)
        axes.plot(lengths, values, marker="o", markersize=3)
        axes.set(xlabel="words in the source, mean of a group", ylabel="BLEU")
        axes.set_ylim(bottom=0)

    label = "BLEU against the length of the source"
    text = ("Long sentences are expected to lose more through a fixed vector than with attention.",)
    sizes = ", ".join(f"{count:,}" for *_, count in groups)
    picture = Picture(drawing.plot(label, draw),
                      f"Number of sentences in each group, from left to right: {sizes}.")
    return Section("BLEU by length", text, pictures=[picture])


def attention(
    translator: Translator, params, test: Pairs, translations: Sequence[str]
) -> list[Section]:
    """The attention weights of some translations; [] for forms without attention."""
    pictures = []
    for n in spread(test, ATTENTION_MAPS + 2)[1:-1]:
        target = translator.vocabularies.target.codes(translations[n])
        weights, words = attention_weights(translator, params, test.sources[n], target)
        if weights is None:
            return []
        pictures.append(Picture(_matrix(weights, *words), f"Line {n + 1:,} of the test set."))
    text = ("Each row is a word of the translation, each column one of the source. The stronger "
            "the blue, the larger the weight.",)  # fmt: skip
    return [Section("Attention", text, pictures=pictures)]


def attention_weights(translator: Translator, params, line: str, target: Sequence[int]):
    """The weights [T, S] of a translation, and the words of both sides; None without attention."""
    model, sides = translator.model, translator.vocabularies
    source = source_codes(sides.source, line, translator.reverse)
    xs = jnp.asarray(source)[:, None]
    memory, carry = model.begin(params, model.encode(params, xs, jnp.ones(xs.shape, bool)))
    ys = jnp.asarray([BEGIN, *target])[:, None]
    weights = model.decode(params, memory, carry, ys)[2]
    words = ([sides.target.label(code) for code in (*target, END)],
             [sides.source.label(code) for code in source])  # fmt: skip
    return (None if weights is None else np.asarray(weights[:, 0])), words


def _matrix(weights: np.ndarray, rows: Sequence[str], columns: Sequence[str]):
    def draw(axes):
        drawing.weights(axes, weights)
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=7)
        axes.set_yticks(range(len(rows)), rows, fontsize=7)

    height = 1.2 + 0.17 * len(rows)
    return drawing.plot("Attention weights of each target word over the source", draw,
                        width=1.2 + 0.2 * len(columns), height=height)  # fmt: skip


def vectors(translator: Translator, params, test: Pairs) -> Section:
    """The summary vectors of sentences on their first two principal axes."""
    chosen = spread(test, VECTORS)
    codes = [source_codes(translator.vocabularies.source, test.sources[n], translator.reverse)
             for n in chosen]  # fmt: skip
    width = max(map(len, codes))
    xs, mask = np.zeros((width, len(codes)), np.int32), np.zeros((width, len(codes)), bool)
    for n, line in enumerate(codes):
        xs[: len(line), n], mask[: len(line), n] = line, True
    model = translator.model
    summaries = np.asarray(jax.jit(model.encode)(params, xs, mask).summary)
    if len(chosen) < 3:
        return Section("Sentence vectors", ("There are too few test sentences.",))
    from sklearn.decomposition import PCA  # imported late: it takes longer than importing JAX

    points = PCA(2, random_state=0).fit_transform(summaries)
    lines = [test.sources[n] for n in chosen]
    shortest = sorted(range(len(lines)), key=lambda n: len(lines[n]))

    def draw(axes):
        drawing.titled_points(axes, points, lines, s=12, color=drawing.BLUE, alpha=0.6)
        axes.set(xlabel="first principal axis", ylabel="second principal axis")
        drawing.labels_without_overlap(axes, points[shortest], [_cut(lines[n]) for n in shortest])

    text = ("The encoder's summary vectors of whole sentences, on their first two principal axes, "
            "as in Figure 2 of Sutskever, Vinyals and Le 2014.",)  # fmt: skip
    picture = Picture(drawing.plot("Sentence vectors", draw, width=8, height=5),
                      "Shorter sentences are labelled where there is room; a point shows its "
                      "sentence under the pointer.")  # fmt: skip
    return Section("Sentence vectors", text, pictures=[picture])


def _cut(line: str, most: int = 40) -> str:
    return line if len(line) <= most else line[: most - 3] + "..."
