"""What the report of a translation run shows: translations, attention, sentence vectors."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from data.parallel_text import Corpus, Pairs
from data.vocabulary import BEGIN, END
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section, Table
from experiments.runtime.workdir import Workdir
from experiments.training.run import Trained
from experiments.translation.pairs import source_codes
from experiments.translation.scores import scores, signatures
from experiments.translation.translator import Translator

SHOWN = 20  # translations beside their references
LOOKED_AT = 3  # sentences whose attention is drawn
NAMED = 10  # sentences whose vectors have their text beside them
VECTORS = 300


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, translator: Translator,
    corpus: Corpus, translations: Sequence[str],
) -> None:  # fmt: skip
    """Writes report.html; `translations` are those of the test set."""
    params = jax.tree.map(jnp.asarray, trained.state.params)
    size = len(corpus.train.sources)
    order = ("source", "target", "encoder", "decoder", "maxout", "output")
    names = {"perplexity": "perplexity", "gradient_norm": "norm of the gradient"}
    sections = [
        page.result_section(result, signature_lines(config)),
        *page.configuration_sections(config, workdir),
        page.parameters_section(params, order, {}, ""),
        page.curves_section(trained.metrics.rows, names, config.batch_size / size,
                              ("Per target word; the training's is with dropout.",)),
        examples(corpus.test, translations),
        by_length(config, corpus.test, translations),
        *attention(translator, params, corpus.test, translations),
        vectors(translator, params, corpus.test),
    ]  # fmt: skip
    languages = f" {config.source} to {config.target}" if config.dataset == "multi30k" else ""
    summary = (
        f"{config.dataset}{languages}: {size:,} pairs to train on, {len(corpus.test.sources):,} to "
        f"test on; form {config.form}, {config.cell} of {config.hidden} units, "
        f"{len(translator.vocabularies.source):,} source and "
        f"{len(translator.vocabularies.target):,} target {config.target_unit}, "
        f"{result['parameters']:,} parameters, {config.num_steps:,} steps of {config.batch_size}."
    )
    page.write(workdir.report, f"Translation, preset {config.preset}", summary, sections)


def signature_lines(config) -> list[str]:
    """How BLEU was computed, and how the translations were found."""
    cased, lower = signatures(config)
    return [f"BLEU by sacrebleu: {cased}; lower-cased: {lower}.",
            f"Beam of {config.beam}, log-probabilities over length^{config.length_power:g}; the "
            "perplexity is per target word as the net counts them, ends included."]  # fmt: skip


def spread(pairs: Pairs, count: int) -> list[int]:
    """Numbers of so many sentences, from the whole of the set."""
    return sorted(set(np.linspace(0, len(pairs.sources) - 1, count).astype(int).tolist()))


def examples(test: Pairs, translations: Sequence[str]) -> Section:
    """Translations beside their references."""
    rows = [(str(n + 1), test.sources[n], translations[n], test.targets[n])
            for n in spread(test, SHOWN)]  # fmt: skip
    table = Table(("line", "source", "translation", "reference"), rows, "llll")
    return Section("Translations", ("Every so many lines of the test set, not chosen.",), table)


def by_length(config, test: Pairs, translations: Sequence[str]) -> Section:
    """BLEU of sentences of about the same length, by the length of the source."""
    lengths = np.array([len(line.split()) for line in test.sources])
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, 8)).astype(int))
    groups = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        last = high == edges[-1]
        chosen = np.flatnonzero((lengths >= low) & ((lengths < high) | (last & (lengths == high))))
        if len(chosen):
            found = scores(config, *([lines[n] for n in chosen]
                                     for lines in (translations, test.targets)))  # fmt: skip
            groups.append((float(lengths[chosen].mean()), found, len(chosen)))
    if not groups:
        return Section("BLEU by length", ("All sources are of one length.",))

    def draw(axes):
        axes.plot([length for length, *_ in groups], [found["bleu"] for _, found, _ in groups],
                  marker="o", markersize=3)  # fmt: skip
        axes.set(xlabel="words of the source, mean of a group", ylabel="BLEU")
        axes.set_ylim(bottom=0)

    label = "BLEU against the length of the source"
    text = ("A fixed vector has to hold more in longer sentences; attention looks again.",)
    sizes = ", ".join(str(count) for *_, count in groups)
    picture = Picture(drawing.plot(label, draw), f"Sentences in the groups: {sizes}.")
    return Section("BLEU by length", text, pictures=[picture])


def attention(
    translator: Translator, params, test: Pairs, translations: Sequence[str]
) -> list[Section]:
    """Where the net looked for each word it wrote; nothing for forms without attention."""
    pictures = []
    for n in spread(test, LOOKED_AT + 2)[1:-1]:
        written = translator.vocabularies.target.codes(translations[n])
        weights, words = looked(translator, params, test.sources[n], written)
        if weights is None:
            return []
        pictures.append(Picture(_matrix(weights, *words), f"Line {n + 1} of the test set."))
    text = ("Rows are the words that the net wrote, columns those that it read; a row sums to 1.",)
    return [Section("Attention", text, pictures=pictures)]


def looked(translator: Translator, params, line: str, written: Sequence[int]):
    """The weights [T, S] of a translation, and the words of both sides; None without attention."""
    model, sides = translator.model, translator.vocabularies
    source = source_codes(sides.source, line, translator.reverse)
    xs = jnp.asarray(source)[:, None]
    memory, carry = model.begin(params, model.encode(params, xs, jnp.ones(xs.shape, bool)))
    ys = jnp.asarray([BEGIN, *written])[:, None]
    weights = model.decode(params, memory, carry, ys)[2]
    words = ([sides.target.label(code) for code in (*written, END)],
             [sides.source.label(code) for code in source])  # fmt: skip
    return (None if weights is None else np.asarray(weights[:, 0])), words


def _matrix(weights: np.ndarray, rows: Sequence[str], columns: Sequence[str]):
    def draw(axes):
        axes.imshow(weights, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.grid(False)
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=7)
        axes.set_yticks(range(len(rows)), rows, fontsize=7)

    height = 1.2 + 0.17 * len(rows)
    return drawing.plot("Attention of each written word over the source", draw,
                        width=1.2 + 0.2 * len(columns), height=height)  # fmt: skip


def vectors(translator: Translator, params, test: Pairs) -> Section:
    """The sentences' vectors v on their two first principal axes."""
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
        return Section("Sentence vectors", ("Too few test sentences to draw.",))
    from sklearn.decomposition import PCA  # here, since it takes longer to import than JAX

    points = PCA(2, random_state=0).fit_transform(summaries)
    shortest = np.argsort([len(test.sources[n]) for n in chosen], kind="stable")
    named = shortest[: len(shortest) // 2][:: max(1, len(shortest) // 2 // NAMED)][:NAMED]

    def draw(axes):
        axes.scatter(*points.T, s=6, color=drawing.GREY, alpha=0.5)
        axes.scatter(*points[named].T, s=12, color=drawing.ORANGE)
        for i in named:
            text = test.sources[chosen[i]]
            text = text if len(text) <= 40 else text[:37] + "..."
            axes.annotate(text, points[i], fontsize=6, xytext=(3, 3), textcoords="offset points")
        axes.set(xlabel="first principal axis", ylabel="second")

    text = ("What the encoder makes of whole sentences, as in Sutskever, Vinyals and Le's figure: "
            "the first two principal components.",)  # fmt: skip
    picture = Picture(drawing.plot("Sentence vectors", draw, width=8, height=5),
                      "Some of the shorter sentences have their text beside them.")  # fmt: skip
    return Section("Sentence vectors", text, pictures=[picture])
