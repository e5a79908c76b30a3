"""The report of word vectors: curve, map, nearest words, analogies by section."""

from collections.abc import Mapping, Sequence

import numpy as np

from data.text_stream import WordStream
from data.vector_texts import CLASSES
from data.word_similarity import SEMANTIC
from experiments.language.vector_scores import SectionScore, Vectors, total
from experiments.reports import drawing, page
from experiments.reports.page import Picture, Section, Table
from experiments.runtime.numbers import counted, readable
from experiments.runtime.workdir import Workdir
from experiments.training.run import Trained

COUNTRIES = (
    ("china", "beijing"), ("russia", "moscow"), ("japan", "tokyo"), ("turkey", "ankara"),
    ("poland", "warsaw"), ("germany", "berlin"), ("france", "paris"), ("italy", "rome"),
    ("greece", "athens"), ("spain", "madrid"), ("portugal", "lisbon"), ("egypt", "cairo"),
    ("england", "london"), ("austria", "vienna"), ("hungary", "budapest"), ("iran", "tehran"),
)  # fmt: skip
FEWEST_PAIRS = 5
MARKERS = "osD^vPX"  # of the classes, which are more than there are colours
SHOWN_WORDS, NEIGHBOURS, MAPPED = 12, 6, 60


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, text: WordStream,
    vectors: Vectors, sections: Sequence[SectionScore], passes: float,
) -> None:
    """Writes report.html; `sections` are the analogies, if any; `passes` go through the text."""
    labels = {"loss": "loss of a prediction (nats)", "analogies_percent": "analogies (%)",
              "wordsim_correlation": "WordSim-353 (rank correlation)",
              "same_class_percent": "nearest words of the same class (%)"}  # fmt: skip
    words_in_a_step = len(text.codes) * passes / config.num_steps
    parts = [
        page.result_section(result, notes(config, sections)),
        *page.configuration_sections(config, workdir),
        page.curves_section(
            trained.metrics.rows, labels, words_in_a_step / 1e6,
            ("The loss is that of what a step was about to learn from, before its update, averaged "
             "over all steps since the point before.",),
            x="millions of words read",
        ),
        word_map(vectors, text),
        nearest_words(vectors, text),
        *([analogies(sections)] if sections else []),
    ]  # fmt: skip
    page.write(workdir.report, f"Word vectors, preset {config.preset}",
               summary(config, text, passes), parts)  # fmt: skip


def summary(config, text: WordStream, passes: float) -> str:
    """What was trained, in a sentence."""
    kind = "CBOW" if config.cbow else "skip-gram"
    losses = [f"{counted(config.negative, 'negative sample')}"] if config.negative else []
    losses += ["hierarchical softmax"] if config.hs else []
    return (
        f"Vectors of {counted(config.size, 'number')} for {len(text.words):,} words by {kind} with "
        f"{' and '.join(losses)}, learned in {readable(passes, 2)} "
        f"{'pass' if passes == 1 else 'passes'} through {config.dataset}: {text.read:,} words."
    )


def notes(config, sections: Sequence[SectionScore]) -> list[str]:
    """How the figures were computed."""
    lines = []
    if sections:
        whole = total(sections)
        lines += [
            f"Analogies are answered among the 30,000 most frequent words. {whole.seen:,} of "
            f"{whole.questions:,} questions have known words alone, and only these count.",
            "WordSim-353 and SimLex-999 are rank correlations (Spearman) over the pairs of known "
            "words, whose number stands below each.",
        ]
    if config.dataset == "grammar":
        lines.append(
            "The grammar's words fall into classes, such as adjectives. Of the nearest words "
            "of each, the figure counts those of its own class."
        )
    return lines


def analogies(sections: Sequence[SectionScore]) -> Section:
    """How each section was answered."""
    parts = [*sections, total(sections[:SEMANTIC], "of meaning"),
             total(sections[SEMANTIC:], "of grammar"), total(sections, "all")]  # fmt: skip
    rows = [(part.section, readable(part.percent, 3) if part.seen else "", f"{part.right:,}",
             f"{part.seen:,}", f"{part.questions:,}") for part in parts]  # fmt: skip
    table = Table(("section", "right (%)", "right", "of known words", "questions"), rows)
    return Section("Analogies by section", ("Athens is to Greece as Baghdad is to ...",), table)


def nearest_words(vectors: Vectors, text: WordStream) -> Section:
    """Some words, and those whose vectors are closest to theirs."""
    chosen = [n for n, word in enumerate(vectors.words[:2000]) if len(word) > 3 and word.isalpha()]
    chosen = chosen[:: max(1, len(chosen) // SHOWN_WORDS)][:SHOWN_WORDS]
    rows = []
    for number in chosen:
        near = vectors.nearest(vectors.unit[number], [number], NEIGHBOURS)
        rows.append((vectors.words[number], f"{text.counts[number]:,}",
                     ", ".join(f"{word} {cosine:.2f}" for word, cosine in near)))  # fmt: skip
    introduction = ("By the cosine of the words' vectors, among all words.",)
    return Section("Nearest words", introduction, Table(("word", "occurs", "nearest"), rows, "lrl"))


def word_map(vectors: Vectors, text: WordStream) -> Section:
    """The vectors of countries and capitals, or else of frequent words, in two dimensions."""
    rows = [(vectors.number(a), vectors.number(b)) for a, b in COUNTRIES]
    pairs = [row for row in rows if None not in row]
    if len(pairs) >= FEWEST_PAIRS:
        numbers = [n for pair in pairs for n in pair]
        kinds = {"countries": numbers[::2], "capitals": numbers[1::2]}
        what = "countries and their capitals, joined by lines"
    else:
        numbers = list(range(min(MAPPED, len(vectors.words))))
        kinds, pairs = _classes(vectors, numbers), []
        what = counted(len(numbers), "frequent word")
    points, share = principal_components(vectors.unit[numbers])
    place = dict(zip(numbers, points, strict=True))

    def draw(axes):
        for pair in pairs:
            axes.plot(*np.array([place[n] for n in pair]).T, color=drawing.GREY, linewidth=0.7)
        for (kind, members), marker in zip(kinds.items(), MARKERS, strict=False):
            where = np.array([place[n] for n in members]).T
            axes.scatter(*where, s=16, marker=marker, label=kind)
        axes.margins(0.12)
        drawing.labels_without_overlap(axes, points, [vectors.words[n] for n in numbers])
        if len(kinds) > 1:
            axes.figure.legend(loc="outside upper center", ncols=3)
        axes.set(xlabel="first principal component", ylabel="second principal component")

    picture = Picture(drawing.plot(f"Map of {what}", draw, width=6.5, height=5))
    introduction = (
        f"The vectors of {what}, projected on the two directions in which they differ most, which "
        f"hold {readable(100 * share, 2)} % of their variance.",
    )
    return Section("Map", introduction, pictures=[picture])


def _classes(vectors: Vectors, numbers: Sequence[int]) -> dict[str, list[int]]:
    """Words by their class in the grammar, if all have one."""
    kinds = [CLASSES.get(vectors.words[n], "") for n in numbers]
    if not all(kinds):
        return {"words": list(numbers)}
    return {kind: [n for n, k in zip(numbers, kinds, strict=True) if k == kind]
            for kind in dict.fromkeys(kinds)}  # fmt: skip


def principal_components(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Rows [N, D] in two dimensions [N, 2], and the share of their variance that these hold."""
    centred = rows - rows.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.pad(u[:, :2] * s[:2], ((0, 0), (0, max(0, 2 - len(s)))))
    signs = np.where(np.take_along_axis(points, abs(points).argmax(0)[None], 0) < 0, -1, 1)
    return points * signs, float((s[:2] ** 2).sum() / max((s**2).sum(), 1e-12))
