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
from experiments.runtime.numbers import counted
from experiments.runtime.workdir import Workdir
from experiments.tagging.evaluation import Copy, Evaluation
from experiments.tagging.net import NET, SECOND
from experiments.tagging.paper import TABLE
from experiments.tagging.scores import Predictions, make_top_layer
from experiments.training.cell_options import cell_name
from experiments.training.kept import Net
from experiments.training.loop import Tree
from experiments.training.run import Trained

SENTENCES = 20  # shown
POINTS = 600  # words or sentences on the plane
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
        f"A {directions} net of {counted(config.layers, 'layer')} of "
        f"{counted(config.hidden, cell_name(config.cell) + ' unit')} a direction, "
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
        text = ("The first sentences of each class of the test part.",)
        return Section(title, text, whole_table(labelled.select(shown_rows(run, labelled))))
    scoring, rows = run.evaluation.scoring, shown_rows(run, labelled)
    text = [
        {"overlap": "A predicted span is blue if it overlaps a gold one and orange if not; it is "
                    "underlined if it starts with I- instead of B-.",
         "exact": "A predicted span is blue if its ends and its type are correct and orange if "
                  "not; it is underlined if it starts with I- instead of B-.",
         "accuracy": "Wrong labels are orange."}[scoring],
    ]  # fmt: skip
    if run.evaluation.corpus.folds is not None:
        text.append(f"These are sentences of fold {run.evaluation.config.fold}.")
    return Section(title, text, pictures=[sentences(scoring, labelled.select(rows))])


def shown_rows(run: TaggerRun, labelled: Labelled) -> list[int]:
    """The numbers of the sentences of the first section, no sentence twice."""
    if run.evaluation.corpus.whole:
        return some_of_each(labelled.gold)
    rows = [n for n, words in enumerate(labelled.words) if 4 <= len(words) <= 40]
    if run.evaluation.scoring == "overlap":
        rows = [n for n in rows if set(labelled.gold[n]) != {"O"}]
    return once(labelled, rows)[:SENTENCES]


def once(labelled: Labelled, rows: Sequence[int]) -> list[int]:
    """Those of the rows whose words do not come in an earlier one."""
    first = {}
    for n in rows:
        first.setdefault(tuple(labelled.words[n]), n)
    return list(first.values())


def difference_section(run: TaggerRun, labelled: Labelled) -> list[Section]:
    """Sentences that the two nets label differently, but those of the first section."""
    if len(labelled.predicted) < 2:
        return []
    first, second = labelled.predicted.values()
    rows = [n for n in range(len(first)) if first[n] != second[n]]
    others = [n for n in once(labelled, rows) if n not in shown_rows(run, labelled)]
    shown = sorted(others, key=lambda n: (len(labelled.words[n]) > 40, n))[:SENTENCES]
    text = (f"The nets label {len(rows):,} of {counted(len(first), 'sentence')} differently; "
            f"{len(shown)} others than above are shown.",)  # fmt: skip
    selected, title = labelled.select(shown), "Where the nets differ"
    if not shown:
        return [Section(title, text)]
    if run.evaluation.corpus.whole:
        return [Section(title, text, whole_table(selected))]
    pictures = [sentences(run.evaluation.scoring, selected)]
    return [Section(title, text, pictures=pictures)]


def whole_table(labelled: Labelled) -> Table:
    """One sentence per row, with its gold label and what each net predicts."""
    rows = [
        (gold[0],
         *(page.Cell(labels[n][0], "right" if labels[n] == gold else "wrong", 0.6)
           for labels in labelled.predicted.values()), " ".join(words))
        for n, (words, gold) in enumerate(zip(labelled.words, labelled.gold, strict=True))
    ]  # fmt: skip
    header = ("gold", *labelled.predicted, "sentence")
    return Table(header, rows[:SENTENCES], "l" * len(header))


def some_of_each(gold: Sequence[Sequence[str]]) -> list[int]:
    """Numbers of about `SENTENCES` sentences with one label each: the first ones of each label."""
    by_label = {}
    for n, labels in enumerate(gold):
        by_label.setdefault(labels[0], []).append(n)
    share = max(SENTENCES // len(by_label), 1)
    return [n for label in sorted(by_label) for n in by_label[label][:share]]


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
        unbegun = " unbegun" if labels[span.start].startswith("I") else ""
        correct = span in gold_spans if scoring == "exact" else any(
            other.start < span.end and span.start < other.end for other in gold_spans
        )
        text = f"[{span.type} {text}]" if span.type else text
        pieces.append(_marked(("right" if correct else "wrong") + unbegun, text))
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
    """The states that the labels depend on, as points on a plane."""
    title, what = "Hidden states on a plane", "words"
    if run.evaluation.corpus.whole:
        what = "sentences"
    states, labels, titles = hidden_states(run)
    chosen = np.random.default_rng(0).permutation(len(states))[:POINTS]
    if len(chosen) < 10:
        return Section(title, (f"There are too few {what}.",))
    from sklearn.manifold import TSNE  # imported late: it takes longer than importing JAX

    plane = TSNE(init="pca", random_state=0, perplexity=min(30, len(chosen) // 4)).fit_transform(
        np.stack([states[n] for n in chosen])
    )
    width = counted(run.evaluation.nets[NET].tagger.width, "output")
    outputs = f"the last layer's {width} at {len(chosen)} words"
    if run.evaluation.corpus.whole:
        outputs = f"the last layer's {width} that decide on the label, of {len(chosen)} sentences"
    text = (
        f"t-SNE of {outputs} of the test part: similar states are close together. Colours show "
        f"the gold labels; a point shows its {what[:-1]} under the pointer.",
    )
    plot = _plane(plane, [labels[n] for n in chosen], [titles[n] for n in chosen], what)
    return Section(title, text, pictures=[Picture(plot)])


def hidden_states(run: TaggerRun) -> tuple[list[np.ndarray], list[str], list[str]]:
    """States, gold labels and titles of the test part's words, or of its whole sentences.

    The state of a whole sentence is what its label depends on: the forward net's output at the
    last word beside the backward net's at the first. The sentences are evenly spaced.
    """
    corpus, net = run.evaluation.corpus, run.evaluation.nets[NET]
    top_layer, hidden = make_top_layer(net), net.tagger.cell.hidden
    states, labels, titles, most = [], [], [], POINTS if corpus.whole else POINTS // 4
    spaced = np.linspace(0, len(run.rows) - 1, min(most, len(run.rows))).astype(int)
    wanted = set(np.asarray(run.rows)[spaced].tolist())
    for rows, count, batch in run.evaluation.data.batches(run.evaluation.data.test):
        if not wanted & set(rows.tolist()):
            continue
        outputs = np.asarray(top_layer(run.params, run.evaluation.vectors, batch))
        for row, output in zip(rows[:count], outputs, strict=False):
            if row in wanted and corpus.whole:
                sentence = corpus.test.words[row]
                last = output[len(sentence) - 1, :hidden]
                states.append(np.concatenate([last, output[0, hidden:]]))
                labels += corpus.test.labels[row]
                titles.append(" ".join(sentence))
            elif row in wanted:
                states += list(output[: len(corpus.test.words[row])])
                labels += corpus.test.labels[row]
                titles += corpus.test.words[row]
    return states, labels, titles


def _plane(plane: np.ndarray, labels: list[str], titles: list[str], what: str):
    kinds = sorted(set(labels), key=lambda kind: (-labels.count(kind), kind))
    markers, colours = "os^Dv", (*drawing.COLOURS, "#b5507a", drawing.GREY)

    def draw(axes):
        for n, kind in enumerate(kinds[:15]):
            members = [place for place, label in enumerate(labels) if label == kind]
            drawing.titled_points(
                axes, plane[members], [f"{titles[m]} ({kind})" for m in members],
                marker=markers[n // 5], color=colours[n % 5], s=14, linewidths=0, alpha=0.8,
                label=kind,
            )  # fmt: skip
        axes.set(xticks=[], yticks=[])
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        if what == "words":
            drawing.labels_without_overlap(axes, plane, titles)

    return drawing.plot(f"Hidden states of {what} on a plane", draw, 8.0, 5.5)
