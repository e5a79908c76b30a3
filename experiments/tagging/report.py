"""The tagger's report: the paper's table, labelled sentences, and words as points."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup, escape

from data import spans
from data.sentences import Coding, Corpus
from experiments.reports import drawing
from experiments.reports import page as report
from experiments.reports.mistakes import confusion
from experiments.reports.page import Picture, Section, Table
from experiments.runtime.workdir import Workdir
from experiments.tagging.net import NET
from experiments.tagging.scores import scoring_of, top_layer
from experiments.training.run import Trained

SHOWN = 20  # sentences
POINTS, NAMED = 600, 80  # words in the picture, and those that are written out

# Irsoy and Cardie 2014, Tables 1 and 2, as remembered: precision, recall and F1, each proportional
# and binary, by (layers, units).
TABLE = {
    "mpqa-dse": {
        (1, 36): (62.24, 65.90, 65.63, 73.89, 63.83, 69.62),
        (2, 29): (63.85, 67.23, 65.70, 74.23, 64.70, 70.52),
        (3, 25): (63.53, 67.67, 65.95, 73.87, 64.57, 70.55),
        (4, 22): (64.19, 68.05, 66.01, 73.76, 64.96, 70.69),
        (5, 21): (60.65, 61.67, 56.83, 69.01, 58.60, 65.06),
        (1, 200): (62.78, 66.28, 65.66, 74.00, 64.09, 69.85),
        (2, 125): (62.92, 66.71, 66.45, 74.70, 64.47, 70.36),
        (3, 100): (65.56, 69.12, 66.73, 74.69, 66.01, 71.72),
        (4, 86): (61.76, 65.64, 63.52, 72.88, 62.56, 69.01),
        (5, 77): (61.64, 64.90, 62.37, 72.10, 61.93, 68.25),
        "CRF": (74.96, 82.28, 46.98, 52.99, 57.74, 64.45),
        "semiCRF": (61.67, 69.41, 67.22, 73.08, 64.27, 71.15),
        "CRF + vectors": (74.97, 82.43, 49.47, 55.67, 59.59, 66.44),
        "semiCRF + vectors": (66.00, 71.98, 60.96, 68.13, 63.30, 69.91),
    },
    "mpqa-ese": {
        (1, 36): (51.34, 59.54, 57.60, 72.89, 54.22, 65.44),
        (2, 29): (51.13, 59.94, 61.20, 75.37, 55.63, 66.64),
        (3, 25): (53.14, 61.46, 58.01, 72.50, 55.40, 66.36),
        (4, 22): (51.48, 60.59, 59.25, 73.22, 54.94, 66.15),
        (5, 21): (49.67, 58.42, 48.98, 65.36, 49.25, 61.61),
        (1, 200): (52.20, 60.42, 58.11, 72.64, 54.75, 65.75),
        (2, 125): (51.75, 60.75, 60.69, 74.39, 55.77, 66.79),
        (3, 100): (52.04, 60.50, 61.71, 76.02, 56.26, 67.18),
        (4, 86): (50.62, 58.41, 53.55, 69.99, 51.98, 63.60),
        (5, 77): (49.90, 57.82, 52.37, 69.13, 51.01, 62.89),
        "CRF": (56.08, 68.36, 42.26, 51.84, 48.10, 58.85),
        "semiCRF": (45.64, 69.06, 58.05, 64.15, 50.95, 66.37),
        "CRF + vectors": (57.15, 69.84, 44.67, 54.38, 50.01, 61.01),
        "semiCRF + vectors": (53.76, 70.82, 52.72, 61.59, 53.10, 65.73),
    },
}
PAPER = {
    dataset: {
        measure: {size: row[place] for size, row in rows.items()}
        for measure, place in (("proportional", 4), ("binary", 5))
    }
    for dataset, rows in TABLE.items()
}


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, corpus: Corpus, coding: Coding,
    data, nets: Mapping, vectors, chosen: Mapping, said: Mapping, rows,
) -> None:  # fmt: skip
    """Writes report.html.

    Args:
      chosen: (step, parameters) of each net and copy.
      said: what each says of the test part.
      rows: which sentences of the test part are the first copy's; None: all.
    """
    rows = range(len(corpus.test.words)) if rows is None else rows
    words = [corpus.test.words[row] for row in rows]
    gold = [corpus.test.labels[row] for row in rows]
    said = {
        name_of(config, net): [
            [coding.labels[n] for n in said[net, 0].labels[row]] for row in rows
        ]
        for net in nets
    }
    steps = ", ".join(f"{at:,}" for (net, _), (at, _) in chosen.items() if net == NET)
    text = [f"The parameters are those of step {steps}, the best on the validation part."]
    if config.vectors:
        text.append(f"Word vectors: {config.vectors}; other vectors than the paper's.")
    names = {"proportional_f1": "proportional F1", "chunk_f1": "F1 of spans",
             "accuracy_percent": "accuracy (%)", "nats": "nats per label",
             "gradient_norm": "norm of the gradient"}  # fmt: skip
    if config.beside != "none":
        other = {f"{config.beside}_{name}": f"{name_of(config, 'beside')}: {words_}"
                 for name, words_ in names.items() if name != "gradient_norm"}  # fmt: skip
        names |= other
    passes = 1 / data.buckets.steps_in_a_pass
    sections = [
        report.results_section(result, text),
        *paper_section(config, result),
        *report.configuration_sections(config, workdir),
        report.parameters_section(chosen[NET, 0][1], ("encoder", "layers", "output"), {}, ""),
        report.curves_section(trained.metrics.rows, names, passes),
        labelled_section(config, corpus, words, gold, said),
        *difference_section(config, corpus, words, gold, said),
        confusion_section(coding, gold, said[name_of(config, NET)]),
        words_section(nets[NET], chosen[NET, 0][1], vectors, data, corpus, rows),
    ]
    summary = (
        f"{config.layers} layers of {config.hidden} {config.cell} units, "
        f"{'both directions' if config.directions == 'both' else 'forward alone'}, "
        f"{result['parameters']:,} parameters, on {config.dataset}: {len(corpus.train.words):,} "
        f"sentences to train on, {len(rows):,} shown here of those to test on."
    )
    report.write(workdir.report, f"Tagger, preset {config.preset}", summary, sections)


def name_of(config, net: str) -> str:
    """What a net is called in the report."""
    if net == NET:
        return "deep" if config.beside == "shallow" else "net"
    return config.beside.replace("_", "-")


def paper_section(config, result: Mapping) -> list[Section]:
    """The paper's table with this run's rows in it."""
    if config.dataset not in TABLE:
        return []
    header = ("net", "precision", "", "recall", "", "F1", "")
    kinds = ("", *("proportional", "binary") * 3)
    rows = [kinds]
    ours = {(config.layers, config.hidden): ""}
    if config.beside == "shallow":
        ours[1, config.beside_hidden] = "shallow_"
    for size, values in TABLE[config.dataset].items():
        name = size if isinstance(size, str) else f"{size[0]} x {size[1]}"
        rows.append((name, *(f"{v:.2f}" for v in values)))
        if size in ours:
            cells = [
                report.Cell(f"{result['metrics'][f'test_{ours[size]}{kind}_{what}']:.2f}",
                            "right", 0.5)
                for what in ("precision", "recall", "f1") for kind in ("proportional", "binary")
            ]  # fmt: skip
            rows.append((f"{name}, this run", *cells))
    text = (
        "The paper's rows are quoted from memory: means over ten folds, with word vectors of "
        f"Google News. This run's are the mean of {config.folds} "
        f"fold{'s' if config.folds > 1 else ''}.",
    )
    return [Section("Beside the paper's table", text, Table(header, rows))]


def sentence_lines(
    scoring: str, words: Sequence[str], gold: Sequence[str], said: Mapping[str, Sequence[str]]
) -> Markup:
    """The words once with the gold labels, and once for each net; wrong is orange."""
    rows = {"gold": gold, **said}
    return Markup("").join(
        Markup('<span class="line">{}{}</span>').format(
            name.ljust(17), _line(scoring, words, gold, labels)
        )
        for name, labels in rows.items()
    )


def sentences_picture(scoring: str, rows: Sequence[int], words, gold, said) -> Picture:
    """`sentence_lines` of some sentences, below one another."""
    lines = [
        sentence_lines(scoring, words[n], gold[n], {name: v[n] for name, v in said.items()})
        for n in rows
    ]
    return Picture(Markup('<pre class="coloured">{}</pre>').format(Markup("\n").join(lines)))


def _line(scoring: str, words, gold, said) -> Markup:
    if scoring == "accuracy":
        pieces = [
            escape(f"{word}/{label}") if label == right else _marked("wrong", f"{word}/{label}")
            for word, right, label in zip(words, gold, said, strict=True)
        ]
        return Markup(" ").join(pieces)
    pieces, at, theirs = [], 0, spans.spans_of(gold)
    for span in spans.spans_of(said):
        pieces += map(escape, words[at : span.start])
        text = " ".join(words[span.start : span.end])
        if said[span.start].startswith("I"):
            text = text.upper()
        right = span in theirs if scoring == "exact" else any(
            a.start < span.end and span.start < a.end for a in theirs
        )
        mark = f"[{span.type} {text}]" if span.type else text
        pieces.append(_marked("right" if right else "wrong", mark))
        at = span.end
    return Markup(" ").join([*pieces, *map(escape, words[at:])])


def _marked(kind: str, text: str) -> Markup:
    return Markup('<span class="{}" style="--strength:0.7">{}</span>').format(kind, text)


def labelled_section(config, corpus: Corpus, words, gold, said) -> Section:
    """Sentences of the test part with their labels: those with the most to show."""
    title = "Labelled sentences"
    if corpus.whole:
        return Section(title, ("What the nets say of the first sentences of the test part.",),
                       whole_table(words, gold, said))  # fmt: skip
    scoring = scoring_of(config, corpus)
    rows = [n for n in range(len(words)) if 4 <= len(words[n]) <= 40]
    if scoring == "overlap":
        rows = [n for n in rows if set(gold[n]) != {"O"}]
    text = [
        {"overlap": "A span of a net is blue where it meets a gold one and orange where it does "
                    "not; an Inside with no Begin is in capitals.",
         "exact": "A span of a net is blue where its ends and its type are right, orange "
                  "elsewhere; an Inside with no Begin is in capitals.",
         "accuracy": "A label that is wrong is orange."}[scoring],
    ]  # fmt: skip
    if corpus.folds is not None:
        text.append(f"Of fold {config.fold}.")
    pictures = [sentences_picture(scoring, rows[:SHOWN], words, gold, said)]
    return Section(title, text, pictures=pictures)


def whole_table(words, gold, said) -> Table:
    """A sentence a row, with its label and what each net says."""
    rows = [
        (" ".join(words[n]), gold[n][0],
         *(report.Cell(v[n][0], "right" if v[n] == list(gold[n]) else "wrong", 0.6)
           for v in said.values()))
        for n in range(min(SHOWN, len(words)))
    ]  # fmt: skip
    return Table(("sentence", "gold", *said), rows, "l" * (2 + len(said)))


def difference_section(config, corpus: Corpus, words, gold, said) -> list[Section]:
    """Sentences that the two nets label differently."""
    if len(said) < 2:
        return []
    first, second = said.values()
    rows = [n for n in range(len(words)) if list(first[n]) != list(second[n])]
    text = (f"The {' and the '.join(said)} net differ in {len(rows):,} of {len(words):,} "
            f"sentences; {min(SHOWN, len(rows))} are shown.",)  # fmt: skip
    shown = sorted(rows, key=lambda n: (len(words[n]) > 40, n))[:SHOWN]
    title = "Where the nets differ"
    if corpus.whole:
        picked = ([part[n] for n in shown] for part in (words, gold))
        return [Section(title, text, whole_table(
            *picked, {name: [v[n] for n in shown] for name, v in said.items()}))]  # fmt: skip
    scoring = scoring_of(config, corpus)
    return [Section(title, text, pictures=[
        sentences_picture(scoring, shown, words, gold, said)
    ])]  # fmt: skip


def confusion_section(coding: Coding, gold, said) -> Section:
    """How often each label was read as each."""
    number = {label: n for n, label in enumerate(coding.labels)}
    pairs = [
        (number[a], number[b])
        for theirs, ours in zip(gold, said, strict=True)
        for a, b in zip(theirs, ours, strict=True)
    ]
    return confusion(*np.array(pairs).T, coding.labels)


def words_section(net, params, vectors, data, corpus: Corpus, rows) -> Section:
    """What the last layer says of words of the test part, as points on a plane."""
    hidden, points, labels, names = top_layer(net), [], [], []
    mine = set(np.asarray(rows)[: POINTS // 4].tolist())
    for at, count, batch in data.cuts(data.test):
        if not mine & set(at.tolist()):
            continue
        states_of = np.asarray(hidden(params, vectors, batch))
        for row, states in zip(at[:count], states_of, strict=False):
            if row not in mine:
                continue
            words, gold = corpus.test.words[row], corpus.test.labels[row]
            places = [len(words) - 1] if corpus.whole else range(len(words))
            points += [states[place] for place in places]
            labels += [gold[0]] if corpus.whole else gold
            names += [words[place] for place in places]
    chosen = np.random.default_rng(0).permutation(len(points))[:POINTS]
    if len(chosen) < 10:
        return Section("Words by what the net makes of them", ("Too few words to draw.",))
    from sklearn.manifold import TSNE  # here, since it takes longer to import than JAX

    plane = TSNE(init="pca", random_state=0, perplexity=min(30, len(chosen) // 4)).fit_transform(
        np.stack([points[n] for n in chosen])
    )
    labels, names = [labels[n] for n in chosen], [names[n] for n in chosen]
    text = (
        f"{len(chosen)} words of the test part: the {net.tagger.width} outputs of the last layer "
        "on a plane, neighbours beside one another (t-SNE); the colours are the gold labels.",
    )
    return Section("Words by what the net makes of them", text,
                   pictures=[Picture(_plane(plane, labels, names))])  # fmt: skip


def _plane(plane: np.ndarray, labels: list[str], names: list[str]):
    kinds = sorted(set(labels), key=lambda kind: (-labels.count(kind), kind))
    marks, colours = "os^Dv", ("#3a86c8", "#e08214", "#2a9d6f", "#b5507a", "#8a8a8a")

    def draw(axes):
        for n, kind in enumerate(kinds[:15]):
            mine = np.array([label == kind for label in labels])
            axes.plot(*plane[mine].T, marks[n // 5], color=colours[n % 5], markersize=3.5,
                      linestyle="", alpha=0.8, label=kind)  # fmt: skip
        for (x, y), name in list(zip(plane, names, strict=True))[:NAMED]:
            axes.annotate(name, (x, y), fontsize=6, xytext=(2, 2), textcoords="offset points")
        axes.set(xticks=[], yticks=[])
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))

    return drawing.plot("Hidden states of words on a plane", draw, 8.0, 5.5)
