"""What the report of the word language model shows of a trained net and its text."""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup, escape

from data.text import Text
from data.words import END, UNKNOWN
from experiments.language.scores import Costs, perplexity, places
from experiments.language.sections import samples_by_stage, training_curves
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section, Table
from experiments.runtime.workdir import Workdir
from experiments.training.run import Trained

RANKS = (10, 100, 1000, 5000, 10_000)  # ends of the classes of words, by how frequent they are
PLACES = (*range(1, 12), 16, 21, 31)  # first places of the classes, in words of a sentence
SHOWN_WORDS, NEIGHBOURS, COMPARED = 12, 6, 3000
PASSAGE = 150  # words of the test text
LARGEST_SURPRISE = 10.0  # nats that have the full colour


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, text: Text,
    costs: Mapping[str, Costs],
) -> None:
    """Writes report.html; config.json and samples.jsonl are written."""
    size, test = len(text.train), costs["test"]
    params = trained.state.params
    weight = result["metrics"].get("mixture_weight_of_the_net")
    columns = {"net": test.net, "5-grams": test.ngrams}
    columns |= {} if weight is None else {"mixture": test.mixed(weight)}
    sections = [
        page.result_section(result, notes(config, weight)),
        *page.configuration_sections(config, workdir),
        page.parameters_section(params, ("embedding", "layers", "output"), {}, ""),
        training_curves(config, trained, size, {"perplexity": "perplexity"}),
        samples_by_stage(workdir, "word"),
        by_frequency(text, columns),
        by_place(text, columns),
        passage(text, test),
        nearest_words(text, word_vectors(params)),
    ]
    summary = (
        f"A word language model, {config.layers}-layer {config.cell} of {config.hidden}, "
        f"{result['parameters']:,} parameters, trained for "
        f"{config.num_steps:,} steps of {config.batch_size} x {config.unroll} words of "
        f"{config.dataset}: {size:,} to train on, {len(test.net):,} to test on, "
        f"{len(text.symbols):,} different ones."
    )
    page.write(workdir.report, f"Word language model, preset {config.preset}", summary, sections)


def notes(config, weight: float | None) -> list[str]:
    """What the figures are of."""
    lines = [
        f"Every word of the test part counts, {END} included; the net carries its state through "
        "all of it. The 5-grams are interpolated Kneser-Ney, counted on the training part."
    ]
    if weight is not None:
        lines.append(
            f"The mixture gives the net a weight of {weight:.2f}, the best on the validation part."
        )
    return lines


def by_frequency(text: Text, columns: Mapping[str, np.ndarray]) -> Section:
    """Perplexity by how frequent a word is in the training part; `columns` are costs by model."""
    words = text.test[1:]
    counts = np.bincount(text.train, minlength=len(text.symbols))
    ranks = np.empty(len(counts), int)
    special = [text.symbols.index(END), text.symbols.index(UNKNOWN)]
    counts[special] = -1  # last, so that they do not count as ranks
    ranks[np.argsort(-counts, kind="stable")] = np.arange(1, len(counts) + 1)
    classes = {name: words == text.symbols.index(name) for name in (END, UNKNOWN)}
    first = 1
    for last in (*(rank for rank in RANKS if rank < len(counts) - 2), len(counts) - 2):
        inside = (ranks[words] >= first) & (ranks[words] <= last) & ~np.isin(words, special)
        classes[f"rank {first:,} to {last:,}"] = inside
        first = last + 1
    rows = [
        (name, f"{inside.sum():,}", f"{100 * inside.mean():.1f}",
         *(f"{perplexity(nats[inside]):,.1f}" for nats in columns.values()))
        for name, inside in classes.items() if inside.any()
    ]  # fmt: skip
    table = Table(("word", "in the test part", "percent of it", *columns), rows)
    words = ("Perplexity of the test part's words, by their rank in the training part.",)
    return Section("By frequency of the word", words, table)


def by_place(text: Text, columns: Mapping[str, np.ndarray]) -> Section:
    """Perplexity by the place in the sentence; `columns` are costs by model."""
    found = places(text.test, text.symbols.index(END))
    group = np.searchsorted(PLACES, found, side="right") - 1

    used = np.unique(group)
    ends = [place - 1 for place in (*PLACES[1:], np.inf)]
    names = [str(a) if a == b else f"{a}-{b}" if b < np.inf else f"{a}+"
             for a, b in zip(PLACES, ends, strict=True)]  # fmt: skip

    def draw(axes):
        for name, nats in columns.items():
            heights = [perplexity(nats[group == g]) for g in used]
            axes.plot(heights, marker="o", markersize=3, label=name)
        axes.set(xlabel="place in the sentence", ylabel="perplexity")
        axes.set_xticks(range(len(used)), [names[g] for g in used], rotation=45)
        axes.set_ylim(bottom=0)
        axes.legend()

    words = (
        f"The test part's words by their place in the sentence, the {END} at its end among them: "
        "place 1 is predicted from the sentences before alone, of which the 5-grams know nothing.",
    )
    picture = Picture(drawing.plot("perplexity against the place in the sentence", draw))
    return Section("By place in the sentence", words, pictures=[picture])


def passage(text: Text, costs: Costs) -> Section:
    """A stretch of the test part, each word on the colour of its surprise."""
    ends = np.flatnonzero(text.test == text.symbols.index(END))
    middle = int(ends[len(ends) // 2])  # a sentence begins after it
    codes = text.test[middle + 1 : middle + 1 + PASSAGE]
    pictures = []
    for name, nats in (("the net", costs.net), ("the 5-grams", costs.ngrams)):
        spans = (
            Markup('<span class="wrong" style="--strength:{:.2f}">{}</span>{}').format(
                min(cost / LARGEST_SURPRISE, 1.0),
                Markup("↵") if text.symbols[code] == END else escape(text.symbols[code]),
                "\n" if text.symbols[code] == END else " ",
            )
            for code, cost in zip(codes, nats[middle : middle + len(codes)], strict=True)
        )
        markup = Markup('<pre class="coloured">{}</pre>').format(Markup("").join(spans))
        pictures.append(Picture(markup, f"What surprised {name}."))
    words = (
        "From the middle of the test part. The stronger the orange, the less likely the word was "
        f"held to be: none at a probability of 1, full at {np.exp(-LARGEST_SURPRISE):.5f}.",
    )
    return Section("Surprises", words, pictures=pictures)


def word_vectors(params) -> np.ndarray:
    """[V, E]: the embedding, or without one what the words add to the first layer's sums."""
    if "embedding" in params:
        return np.asarray(params["embedding"])
    return np.concatenate([gate["x"] for gate in params["layers"][0].values()], axis=1)


def nearest_words(text: Text, vectors: np.ndarray) -> Section:
    """Some words and those whose learned vectors have the smallest angle with theirs."""
    known = np.array([w not in (END, UNKNOWN) for w in text.symbols])
    compared = np.flatnonzero(known)[:COMPARED]
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    long = [code for code in compared if len(text.symbols[code]) > 3
            and text.symbols[code].isalpha()]  # fmt: skip
    chosen = long[:: max(1, min(len(long), 400) // SHOWN_WORDS)][:SHOWN_WORDS]
    rows = []
    for code in chosen:
        cosines = unit[compared] @ unit[code]
        best = [i for i in np.argsort(-cosines) if compared[i] != code][:NEIGHBOURS]
        near = ", ".join(f"{text.symbols[compared[i]]} {cosines[i]:.2f}" for i in best)
        rows.append((text.symbols[code], near))
    words = (
        f"Cosines of the learned vectors, among the {len(compared):,} most frequent words.",
    )
    return Section("Nearest words", words, Table(("word", "nearest"), rows, "ll"))
