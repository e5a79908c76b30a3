"""The report of a word language model: where it is uncertain, and its word vectors."""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup, escape

from data.text import Text
from data.words import END, UNKNOWN
from experiments.language.scores import Surprisals, perplexity, positions
from experiments.language.sections import layers_of, samples_by_stage, training_curves
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section, Table
from experiments.runtime.numbers import counted, readable
from experiments.runtime.workdir import Workdir
from experiments.training.run import Trained

RANKS = (10, 100, 1000, 5000, 10_000)  # the last rank of each frequency class
POSITIONS = (*range(1, 12), 16, 21, 31)  # the first position of each class, in words
SHOWN_WORDS, NEIGHBOURS, COMPARED = 12, 6, 3000
OFTEN = 30  # times that a word comes in the training part, for its vector to say something
PASSAGE = 150  # words of the test text
MAX_SURPRISAL = 10.0  # nats, from which on the colour is full


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, text: Text,
    surprisals: Mapping[str, Surprisals],
) -> None:
    """Writes report.html; the folder has config.json and samples.jsonl.

    `surprisals` are those of the parts `test` and, if there is one, `valid`.
    """
    size, test = len(text.train), surprisals["test"]
    params = trained.net.params
    weight = result["metrics"].get("mixture_weight_of_the_net")
    columns = {"net": test.net, "5-grams": test.ngrams}
    columns |= {} if weight is None else {"mixture": test.mixture(weight)}
    sections = [
        page.result_section(result, notes(config, result["metrics"], weight)),
        *page.configuration_sections(config, workdir),
        page.parameters_section(params, ("embedding", "layers", "output"), {}, ""),
        training_curves(config, trained, size, {"perplexity": "perplexity"}),
        samples_by_stage(workdir, "word"),
        by_frequency(text, columns),
        by_position(text, columns),
        passage(text, test),
        nearest_words(text, word_vectors(params)),
    ]
    summary = (
        f"{layers_of(config)} with {result['parameters']:,} parameters, trained for "
        f"{counted(result['steps'], 'step')} of {config.batch_size:,} × {config.unroll:,} words "
        f"on {config.dataset}: {size:,} words for training, {len(test.net):,} for testing, a "
        f"vocabulary of {len(text.symbols):,}."
    )
    page.write(workdir.report, f"Word language model, preset {config.preset}", summary, sections)


def beside_ngrams(metrics: Mapping[str, float]) -> str:
    """Which predicts the test part better, the net or the 5-grams, in a sentence."""
    net, ngrams = metrics["test_perplexity"], metrics["test_kn5_perplexity"]
    if net < ngrams:
        return (f"The net predicts the test part better than 5-grams do: perplexity "
                f"{readable(net)} against {readable(ngrams)}.")  # fmt: skip
    return (f"5-grams predict the test part as well as the net or better: perplexity "
            f"{readable(ngrams)} against {readable(net)}. A net needs more text or training "
            "to win.")  # fmt: skip


def notes(config, metrics: Mapping[str, float], weight: float | None) -> list[str]:
    """How the figures were computed."""
    lines = [
        beside_ngrams(metrics),
        f"Perplexities are over every word of a part, {END} included; the net's state is "
        "carried through the whole part. The 5-gram model has interpolated Kneser-Ney smoothing "
        "and is estimated on the training part."
    ]
    if "valid_perplexity" in metrics and not (config.valid or config.test):
        lines.append(
            "The validation and the test part are other pages of the text, about other things: "
            "one may be easier than the other."
        )
    if weight is not None:
        lines.append(
            f"In the mixture the net has a weight of {readable(weight, 2)}, the best on the "
            "validation part."
        )
    return lines


def by_frequency(text: Text, columns: Mapping[str, np.ndarray]) -> Section:
    """Perplexity by the frequency of a word in the training part.

    `columns` are the surprisals of the test part by model.
    """
    words = text.test[1:]
    counts = np.bincount(text.train, minlength=len(text.symbols))
    ranks = np.empty(len(counts), int)
    special = [text.symbols.index(END), text.symbols.index(UNKNOWN)]
    counts[special] = -1  # ranked last, outside the frequency classes
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
    table = Table(("words", "in the test part", "% of it", *columns), rows)
    introduction = ("The test perplexity of words by their frequency rank in the training part.",)
    return Section("Perplexity by word frequency", introduction, table)


def by_position(text: Text, columns: Mapping[str, np.ndarray]) -> Section:
    """Perplexity by the position in the sentence; `columns` are surprisals by model."""
    position = positions(text.test, text.symbols.index(END))
    group = np.searchsorted(POSITIONS, position, side="right") - 1
    used = np.unique(group)
    ends = [first - 1 for first in (*POSITIONS[1:], np.inf)]
    names = [str(a) if a == b else f"{a}-{b}" if b < np.inf else f"{a}+"
             for a, b in zip(POSITIONS, ends, strict=True)]  # fmt: skip

    def draw(axes):
        for name, nats in columns.items():
            heights = [perplexity(nats[group == g]) for g in used]
            axes.plot(heights, marker="o", markersize=3, label=name)
        axes.set(xlabel="position in the sentence", ylabel="perplexity")
        axes.set_xticks(range(len(used)), [names[g] for g in used], rotation=45)
        axes.set_ylim(bottom=0)
        axes.legend()

    introduction = (
        f"The test perplexity of words, including {END}, by their position in the sentence. The "
        "first word has to be predicted from the previous sentences, which the 5-grams do not see.",
    )
    picture = Picture(drawing.plot("perplexity against the position in the sentence", draw))
    return Section("Perplexity by position in the sentence", introduction, pictures=[picture])


def passage(text: Text, surprisals: Surprisals) -> Section:
    """A passage of the test part, the background of each word showing its surprisal."""
    ends = np.flatnonzero(text.test == text.symbols.index(END))
    middle = int(ends[len(ends) // 2])  # the end of a sentence
    codes = text.test[middle + 1 : middle + 1 + PASSAGE]
    pictures = []
    for name, nats in (("the net", surprisals.net), ("the 5-grams", surprisals.ngrams)):
        spans = (
            Markup('<span class="wrong" style="--strength:{:.2f}">{}</span>{}').format(
                min(surprisal / MAX_SURPRISAL, 1.0),
                Markup("↵") if text.symbols[code] == END else escape(text.symbols[code]),
                "\n" if text.symbols[code] == END else " ",
            )
            for code, surprisal in zip(codes, nats[middle : middle + len(codes)], strict=True)
        )
        markup = Markup('<pre class="coloured">{}</pre>').format(Markup("").join(spans))
        pictures.append(Picture(markup, f"The surprisal by {name}."))
    introduction = (
        "A passage from the middle of the test part. The stronger the orange, the lower the "
        "predicted probability of the word: none at 1, full orange at "
        f"{readable(np.exp(-MAX_SURPRISAL), 1)} and below. ↵ is the end of a sentence.",
    )
    return Section("Surprisal", introduction, pictures=pictures)


def word_vectors(params) -> np.ndarray:
    """[V, H]: the weights of the output layer, or where they are tied to it the embedding.

    They have a gradient for every word at every step, the embedding for the words read alone: on
    a small text its vectors stay near the random ones that they began with.
    """
    weights = params["output"].get("weights")
    return np.asarray(params["embedding"] if weights is None else weights.T)


def nearest_words(text: Text, vectors: np.ndarray) -> Section:
    """Some words, and for each the words whose learned vectors are closest by cosine.

    Words that come less than `OFTEN` times in the training part are left out, and so are marks.
    """
    counts = np.bincount(text.train, minlength=len(text.symbols))
    compared = np.array([
        n for n, word in enumerate(text.symbols)
        if counts[n] >= OFTEN and word not in (END, UNKNOWN) and any(map(str.isalnum, word))
    ], int)[:COMPARED]  # fmt: skip
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    long = [code for code in compared if len(text.symbols[code]) > 3
            and text.symbols[code].isalpha()]  # fmt: skip
    queries = long[:: max(1, min(len(long), 400) // SHOWN_WORDS)][:SHOWN_WORDS]
    if not queries:
        return Section("Nearest words", (f"No word comes {OFTEN} times in the training part.",))
    rows = []
    for code in queries:
        cosines = unit[compared] @ unit[code]
        best = [i for i in np.argsort(-cosines) if compared[i] != code][:NEIGHBOURS]
        near = ", ".join(f"{text.symbols[compared[i]]} {cosines[i]:.2f}" for i in best)
        rows.append((text.symbols[code], near))
    introduction = (
        "By the cosine of the words' vectors in the output layer, among "
        f"{counted(len(compared), 'word')} that come {OFTEN} times or more in the training part.",
    )
    return Section("Nearest words", introduction, Table(("word", "nearest"), rows, "ll"))
