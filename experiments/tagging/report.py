"""The report of a tagger: the paper's table, labelled sentences, and hidden states on a plane."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape

from data import spans
from data.sentences import Coding
from experiments.reports import drawing, page
from experiments.reports.mistakes import confusion
from experiments.reports.page import Picture, Section, Table
from experiments.runtime.workdir import Workdir
from experiments.tagging.evaluation import Copy, Evaluation
from experiments.tagging.net import NET, SECOND
from experiments.tagging.paper import TABLE
from experiments.tagging.scores import Predictions, make_top_layer
from experiments.training.kept import Net
from experiments.training.loop import Tree
from experiments.training.run import Trained

SENTENCES = 20  # shown
POINTS, NAMED = 600, 80  # words plotted, and those labelled
LABELS = {
    "proportional_f1": "proportional F1",
    "chunk_f1": "F1 of spans",
    "accuracy_percent": "accuracy (%)",
    "nats": "nats per label",
    "gradient_norm": "gradient norm",
}


class TaggerRun(NamedTuple):
    """A finished run, as its report needs it. Copies are numbered by their fold, from 0."""

    evaluation: Evaluation
    kept: Mapping[Copy, Net]
    predictions: Mapping[Copy, Predictions]  # of the test part

    @property
    def rows(self) -> Sequence[int]:
        """The sentences of the test part that the first copy is tested on."""
        rows = self.evaluation.test_rows(0)
        return range(len(self.evaluation.corpus.test.words)) if rows is None else rows

    @property
    def params(self) -> Tree:
        """The kept parameters of the first copy of the net."""
        return self.kept[NET, 0].params

    def name_of(self, net: str) -> str:
        """The name of a net in the report."""
        if net == NET:
            return "deep" if self.evaluation.config.beside == "shallow" else "net"
        return self.evaluation.config.beside.replace("_", "-")

    def labelled(self) -> "Labelled":
        """The test sentences of the first copy, with the labels that each net predicts."""
        labels, test = self.evaluation.coding.labels, self.evaluation.corpus.test
        predicted = {
            self.name_of(net): [
                [labels[n] for n in self.predictions[net, 0].labels[row]] for row in self.rows
            ]
            for net in self.evaluation.nets
        }
        gold = [list(test.labels[row]) for row in self.rows]
        return Labelled([test.words[row] for row in self.rows], gold, predicted)


class Labelled(NamedTuple):
    """Sentences with their gold labels, and the labels that each net predicts, by its name."""

    words: list[list[str]]
    gold: list[list[str]]
    predicted: Mapping[str, list[list[str]]]

    def select(self, rows: Sequence[int]) -> "Labelled":
        """Some of the sentences."""
        words, gold = ([part[row] for row in rows] for part in (self.words, self.gold))
        predicted = {name: [part[row] for row in rows] for name, part in self.predicted.items()}
        return Labelled(words, gold, predicted)


def write(run: TaggerRun, workdir: Workdir, trained: Trained, result: Mapping) -> None:
    """Writes report.html."""
    config, labelled = run.evaluation.config, run.labelled()
    sections = [
        page.result_section(result, notes(run)),
        *paper_section(config, result),
        *page.configuration_sections(config, workdir),
        page.parameters_section(run.params, ("encoder", "layers", "output"), {}, ""),
        training_curves(run, trained),
        labelled_section(run, labelled),
        *difference_section(run, labelled),
        confusion_section(
            run.evaluation.coding, labelled.gold, labelled.predicted[run.name_of(NET)]
        ),
        states_section(run),
    ]
    page.write(workdir.report, f"Tagger, preset {config.preset}", summary(run, result), sections)


def summary(run: TaggerRun, result: Mapping) -> str:
    config, train = run.evaluation.config, run.evaluation.corpus.train
    directions = "bidirectional" if config.directions == "both" else "forward"
    return (
        f"A {directions} net of {config.layers} layers of {config.hidden} {config.cell} units, "
        f"{result['parameters']:,} parameters, on {config.dataset}: {len(train.words):,} sentences "
        f"for training, {len(run.rows):,} for testing."
    )


def notes(run: TaggerRun) -> list[str]:
    """How the figures were obtained."""
    vectors = run.evaluation.config.vectors
    return [f"Word vectors: {vectors}, not those of the paper."] if vectors else []


def training_curves(run: TaggerRun, trained: Trained) -> Section:
    """The figures of each net against passes through the training set."""
    labels = dict(LABELS)
    if SECOND in run.evaluation.nets:
        name = run.name_of(SECOND)
        labels |= {f"{run.evaluation.config.beside}_{figure}": f"{name}: {label}"
                   for figure, label in LABELS.items() if figure != "gradient_norm"}  # fmt: skip
    passes = 1 / run.evaluation.data.buckets.steps_in_a_pass
    return page.curves_section(trained.metrics.rows, labels, passes)


def paper_section(config, result: Mapping) -> list[Section]:
    """The paper's table, with rows for this run."""
    if config.dataset not in TABLE:
        return []
    header = ("net", "precision", "", "recall", "", "F1", "")
    rows = [("", *("proportional", "binary") * 3)]
    prefixes = {(config.layers, config.hidden): ""}
    if config.beside == "shallow":
        prefixes[1, config.beside_hidden] = "shallow_"
    for size, values in TABLE[config.dataset].items():
        name = size if isinstance(size, str) else f"{size[0]} × {size[1]}"
        rows.append((name, *(f"{value:.2f}" for value in values)))
        if size in prefixes:
            figures = [f"test_{prefixes[size]}{kind}_{figure}"
                       for figure in ("precision", "recall", "f1")
                       for kind in ("proportional", "binary")]  # fmt: skip
            cells = [page.Cell(f"{result['metrics'][name]:.2f}", "right", 0.5) for name in figures]
            rows.append((f"{name}, this run", *cells))
    text = (
        "The paper's rows are quoted from memory: means over ten folds, with word vectors trained "
        f"on Google News. This run's are means over {config.folds} "
        f"fold{'s' if config.folds > 1 else ''}.",
    )
    return [Section("The paper's table", text, Table(header, rows))]


def labelled_section(run: TaggerRun, labelled: Labelled) -> Section:
    """Labelled sentences of the test part; for opinions, only those that contain one."""
    title = "Labelled sentences"
    if run.evaluation.corpus.whole:
        text = ("The first sentences of the test part.",)
        return Section(title, text, whole_table(labelled.select(range(len(labelled.words)))))
    scoring = run.evaluation.scoring
    rows = [n for n, words in enumerate(labelled.words) if 4 <= len(words) <= 40]
    if scoring == "overlap":
        rows = [n for n in rows if set(labelled.gold[n]) != {"O"}]
    text = [
        {"overlap": "A predicted span is blue if it overlaps a gold one and orange if not; it is "
                    "in capitals if it starts with I- instead of B-.",
         "exact": "A predicted span is blue if its ends and its type are correct and orange if "
                  "not; it is in capitals if it starts with I- instead of B-.",
         "accuracy": "Wrong labels are orange."}[scoring],
    ]  # fmt: skip
    if run.evaluation.corpus.folds is not None:
        text.append(f"These are sentences of fold {run.evaluation.config.fold}.")
    return Section(title, text, pictures=[sentences(scoring, labelled.select(rows[:SENTENCES]))])


def difference_section(run: TaggerRun, labelled: Labelled) -> list[Section]:
    """Sentences that the two nets label differently."""
    if len(labelled.predicted) < 2:
        return []
    first, second = labelled.predicted.values()
    rows = [n for n in range(len(first)) if first[n] != second[n]]
    text = (f"The {' and the '.join(labelled.predicted)} net differ on {len(rows):,} of "
            f"{len(first):,} sentences; {min(SENTENCES, len(rows))} are shown.",)  # fmt: skip
    short_first = sorted(rows, key=lambda n: (len(labelled.words[n]) > 40, n))
    selected = labelled.select(short_first[:SENTENCES])
    title = "Where the nets differ"
    if run.evaluation.corpus.whole:
        return [Section(title, text, whole_table(selected))]
    pictures = [sentences(run.evaluation.scoring, selected)]
    return [Section(title, text, pictures=pictures)]


def whole_table(labelled: Labelled) -> Table:
    """One sentence per row, with its gold label and what each net predicts."""
    rows = [
        (" ".join(words), gold[0],
         *(page.Cell(labels[n][0], "right" if labels[n] == gold else "wrong", 0.6)
           for labels in labelled.predicted.values()))
        for n, (words, gold) in enumerate(zip(labelled.words, labelled.gold, strict=True))
    ]  # fmt: skip
    header = ("sentence", "gold", *labelled.predicted)
    return Table(header, rows[:SENTENCES], "l" * len(header))


def sentences(scoring: str, labelled: Labelled) -> Picture:
    """`sentence_lines` of each sentence."""
    lines = [
        sentence_lines(scoring, words, gold,
                       {name: labels[n] for name, labels in labelled.predicted.items()})
        for n, (words, gold) in enumerate(zip(labelled.words, labelled.gold, strict=True))
    ]  # fmt: skip
    return Picture(Markup('<pre class="coloured">{}</pre>').format(Markup("\n").join(lines)))


def sentence_lines(
    scoring: str, words: Sequence[str], gold: Sequence[str], predicted: Mapping[str, Sequence[str]]
) -> Markup:
    """One line with the gold labels, and one with the labels that each net predicts."""
    return Markup("").join(
        Markup('<span class="line">{}{}</span>').format(
            name.ljust(17), _line(scoring, words, gold, labels)
        )
        for name, labels in {"gold": gold, **predicted}.items()
    )


def _line(scoring: str, words, gold, labels) -> Markup:
    if scoring == "accuracy":
        pieces = [
            escape(f"{word}/{label}") if label == right else _marked("wrong", f"{word}/{label}")
            for word, right, label in zip(words, gold, labels, strict=True)
        ]
        return Markup(" ").join(pieces)
    pieces, at, gold_spans = [], 0, spans.spans_of(gold)
    for span in spans.spans_of(labels):
        pieces += map(escape, words[at : span.start])
        text = " ".join(words[span.start : span.end])
        if labels[span.start].startswith("I"):
            text = text.upper()
        correct = span in gold_spans if scoring == "exact" else any(
            other.start < span.end and span.start < other.end for other in gold_spans
        )
        text = f"[{span.type} {text}]" if span.type else text
        pieces.append(_marked("right" if correct else "wrong", text))
        at = span.end
    return Markup(" ").join([*pieces, *map(escape, words[at:])])


def _marked(kind: str, text: str) -> Markup:
    return Markup('<span class="{}" style="--strength:0.7">{}</span>').format(kind, text)


def confusion_section(coding: Coding, gold, predicted) -> Section:
    """How often each label was predicted as each."""
    number = {label: n for n, label in enumerate(coding.labels)}
    pairs = [
        (number[a], number[b])
        for gold_labels, labels in zip(gold, predicted, strict=True)
        for a, b in zip(gold_labels, labels, strict=True)
    ]
    return confusion(*np.array(pairs).T, coding.labels)


def states_section(run: TaggerRun) -> Section:
    """The hidden states of the last layer at words of the test part, as points on a plane."""
    title = "Hidden states on a plane"
    states, labels, words = hidden_states(run)
    chosen = np.random.default_rng(0).permutation(len(states))[:POINTS]
    if len(chosen) < 10:
        return Section(title, ("There are too few words.",))
    from sklearn.manifold import TSNE  # imported late: it takes longer than importing JAX

    plane = TSNE(init="pca", random_state=0, perplexity=min(30, len(chosen) // 4)).fit_transform(
        np.stack([states[n] for n in chosen])
    )
    text = (
        f"t-SNE of the last layer's {run.evaluation.nets[NET].tagger.width} outputs at "
        f"{len(chosen)} words of "
        "the test part: similar states are close together. Colours show the gold labels.",
    )
    plot = _plane(plane, [labels[n] for n in chosen], [words[n] for n in chosen])
    return Section(title, text, pictures=[Picture(plot)])


def hidden_states(run: TaggerRun) -> tuple[list[np.ndarray], list[str], list[str]]:
    """The states, gold labels and words of some sentences of the test part, word by word.

    For a sentence with a single label, only the state at the last word.
    """
    corpus, top_layer = run.evaluation.corpus, make_top_layer(run.evaluation.nets[NET])
    states, labels, words = [], [], []
    chosen = set(np.asarray(run.rows)[: POINTS // 4].tolist())
    for rows, count, batch in run.evaluation.data.batches(run.evaluation.data.test):
        if not chosen & set(rows.tolist()):
            continue
        outputs = np.asarray(top_layer(run.params, run.evaluation.vectors, batch))
        for row, output in zip(rows[:count], outputs, strict=False):
            if row in chosen:
                sentence, gold = corpus.test.words[row], corpus.test.labels[row]
                positions = [len(sentence) - 1] if corpus.whole else range(len(sentence))
                states += [output[position] for position in positions]
                labels += [gold[0]] if corpus.whole else gold
                words += [sentence[position] for position in positions]
    return states, labels, words


def _plane(plane: np.ndarray, labels: list[str], words: list[str]):
    kinds = sorted(set(labels), key=lambda kind: (-labels.count(kind), kind))
    markers, colours = "os^Dv", (*drawing.COLOURS, "#b5507a", drawing.GREY)

    def draw(axes):
        for n, kind in enumerate(kinds[:15]):
            members = np.array([label == kind for label in labels])
            axes.plot(*plane[members].T, markers[n // 5], color=colours[n % 5], markersize=3.5,
                      linestyle="", alpha=0.8, label=kind)  # fmt: skip
        for (x, y), word in list(zip(plane, words, strict=True))[:NAMED]:
            axes.annotate(word, (x, y), fontsize=6, xytext=(2, 2), textcoords="offset points")
        axes.set(xticks=[], yticks=[])
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))

    return drawing.plot("Hidden states of words on a plane", draw, 8.0, 5.5)
