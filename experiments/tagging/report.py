"""The tagger's report: the paper's table, labelled sentences, and words as points."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup, escape

from data import spans
from data.sentences import Coding, Corpus
from experiments.reports import drawing, page
from experiments.reports.mistakes import confusion
from experiments.reports.page import Picture, Section, Table
from experiments.runtime.workdir import Workdir
from experiments.tagging.evaluation import Evaluation
from experiments.tagging.net import NET
from experiments.tagging.paper import TABLE
from experiments.tagging.scores import scoring_of, top_layer
from experiments.training.run import Trained

SHOWN = 20  # sentences
POINTS, NAMED = 600, 80  # words in the picture, and those that are written out


def write(
    config, workdir: Workdir, trained: Trained, result: Mapping, evaluation: Evaluation,
    chosen: Mapping, predictions: Mapping,
) -> None:  # fmt: skip
    """Writes report.html.

    Args:
      config: the run's options.
      workdir, trained, result: of the run.
      evaluation: its data and nets.
      chosen: (step, parameters) of each net and copy.
      predictions: of each net and copy for the test part.
    """
    corpus, coding, data, nets = (
        evaluation.corpus, evaluation.coding, evaluation.data, evaluation.nets
    )  # fmt: skip
    rows = evaluation.test_rows(0)
    rows = range(len(corpus.test.words)) if rows is None else rows
    words = [corpus.test.words[row] for row in rows]
    gold = [corpus.test.labels[row] for row in rows]
    said = {
        name_of(config, net): [
            [coding.labels[n] for n in predictions[net, 0].labels[row]] for row in rows
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
        page.result_section(result, text),
        *paper_section(config, result),
        *page.configuration_sections(config, workdir),
        page.parameters_section(chosen[NET, 0][1], ("encoder", "layers", "output"), {}, ""),
        page.curves_section(trained.metrics.rows, names, passes),
        labelled_section(config, corpus, words, gold, said),
        *difference_section(config, corpus, words, gold, said),
        confusion_section(coding, gold, said[name_of(config, NET)]),
        words_section(nets[NET], chosen[NET, 0][1], evaluation.vectors, data, corpus, rows),
    ]
    summary = (
        f"{config.layers} layers of {config.hidden} {config.cell} units, "
        f"{'both directions' if config.directions == 'both' else 'forward alone'}, "
        f"{result['parameters']:,} parameters, on {config.dataset}: {len(corpus.train.words):,} "
        f"sentences to train on, {len(rows):,} shown here of those to test on."
    )
    page.write(workdir.report, f"Tagger, preset {config.preset}", summary, sections)


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
                page.Cell(f"{result['metrics'][f'test_{ours[size]}{kind}_{what}']:.2f}",
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
         *(page.Cell(v[n][0], "right" if v[n] == list(gold[n]) else "wrong", 0.6)
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
