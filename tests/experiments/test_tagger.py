"""The tagger's command: tiny runs of each kind, folds, resumption, and mistakes."""

import dataclasses
import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data import tagged_corpora
from data.sentences import Corpus, Sentences, coding_of
from experiments import tagger
from experiments.runtime.mesh import mesh_for
from experiments.tagging import report as tagger_report
from experiments.tagging.data import Data
from experiments.tagging.net import first_parameters, make_loss, make_nets, select_copy
from experiments.tagging.optimizer import make_optimizer
from experiments.tagging.report import sentence_lines
from experiments.tagging.vectors import Vectors, make_vectors
from experiments.training.kept import read_kept

SMALL = ("--hidden=4", "--layers=1", "--embedding=3", "--batch_size=4", "--num_steps=4",
         "--eval_every=2", "--checkpoint_every=2", "--steps_per_call=2")  # fmt: skip
pytestmark = pytest.mark.usefixtures("quick_compilation")


def columns(labels):
    """Twenty sentences of five words in three columns."""
    words = ["Red", "birds", "sing", "1999", "loudly"]
    pairs = zip(words, labels.split(), strict=True)
    sentence = "".join(f"{word} X{n} {label}\n" for n, (word, label) in enumerate(pairs))
    return "\n".join([sentence] * 20)


@pytest.fixture
def command(run_main):
    commands = {"vectors": (Vectors(), make_vectors)}
    return lambda *words: run_main(words, tagger.PRESETS, tagger.run, commands)


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_spans_in_a_file_of_columns(tmp_path, hostile_folder, command, assert_shown_as_text):
    text = columns("B-NP I-NP B-<b> B-NP O").replace("birds", "<script>1</script>")
    (tmp_path / "mine.txt").write_text(text)
    (tmp_path / "vectors.txt").write_text("red 1 0\nsing 0 1\n0000 .5 .5\n")
    status, out, error = command(
        *SMALL, f"--dataset={tmp_path / 'mine.txt'}", f"--workdir={hostile_folder}",
        "--feature_column=2", "--letter_hidden=2", f"--vectors={tmp_path / 'vectors.txt'}",
        "--beside=shallow", "--beside_hidden=3", "--dropout=0.2", "--input_dropout=0.2",
    )  # fmt: skip
    assert status == 0, error
    metrics = result(hostile_folder)["metrics"]
    assert {"test_chunk_f1", "test_accuracy_percent", "test_shallow_chunk_f1"} <= set(metrics)
    page = (hostile_folder / "report.html").read_text()
    for words in ("Labelled sentences", "Confusion matrix", "on a plane", "Where the nets differ"):
        assert words in page
    assert_shown_as_text(hostile_folder / "report.html", "<script>1</script>", "B-<b>", "[<b> ")


@pytest.mark.thorough
def test_sentiment_of_a_whole_sentence(tmp_path, command, monkeypatch):
    part = Sentences([["good", "film"], ["bad"], ["a", "bad", "film"]] * 4,
                     [["positive"], ["negative"], ["negative"]] * 4)  # fmt: skip
    monkeypatch.setattr(tagged_corpora, "load", lambda *_, **__: Corpus(part, part, part, True))
    status, _, error = command(*SMALL, "--dataset=sst2", f"--workdir={tmp_path}")
    assert status == 0, error
    assert "test_one_directional_accuracy_percent" in result(tmp_path)["metrics"]
    assert "a bad film" in (tmp_path / "report.html").read_text()


def opinions():
    """Ten folds of two sentences, and two sentences for validation."""
    words = [["they", "said", f"w{n}", "no"] for n in range(20)]
    labels = [["O", "B", "I", "O"] if n % 2 else ["B", "O", "O", "O"] for n in range(20)]
    pool = Sentences(words, labels)
    valid = Sentences(words[:2], labels[:2])
    return Corpus(pool, valid, pool, folds=np.arange(20) // 2)


FOLDS = ("--dataset=mpqa-dse", "--beside=none", "--optimizer=sgd", "--reduction=sum",
         "--outside_weight=0.5", "--weight_decay=1e-4", "--activation_decay=1e-4",
         "--learning_rate=0.05", "--schedule=constant", "--output_rate=0.1", "--clip_norm=0",
         "--word_dropout=0")  # fmt: skip


@pytest.mark.thorough
def test_folds_trained_together_equal_folds_trained_alone(tmp_path, command, monkeypatch):
    monkeypatch.setattr(tagged_corpora, "load", lambda *_, **__: opinions())
    monkeypatch.setattr(tagger_report, "write", lambda *_: None)
    status, _, error = command(*SMALL, *FOLDS, "--folds=2", f"--workdir={tmp_path / 'both'}")
    assert status == 0, error
    assert command(*SMALL, *FOLDS, "--folds=1", f"--workdir={tmp_path / 'one'}")[0] == 0
    both, one = (read_kept(tmp_path / folder / "best") for folder in ("both", "one"))
    assert both[".step"] == one[".step"]
    for name in both:
        np.testing.assert_allclose(both[name], one[name], atol=1e-6)
    assert result(tmp_path / "both")["parameters"] == result(tmp_path / "one")["parameters"]


def loss_of_opinions(config, seed=0):
    """The loss, and the parameters, batch of opinions and coding to compute it with."""
    corpus = opinions()
    coding = coding_of(corpus, lowercase=True, least=1, longest=4)
    data = Data(config, corpus, coding, mesh_for(config.batch_size))
    nets = make_nets(config, coding, 0, False)
    loss = make_loss(config, nets, coding, 99, data.labels_in_a_step)
    random = np.random.default_rng(seed)
    params = jax.tree.map(
        lambda x: jnp.asarray(random.uniform(-0.5, 0.5, x.shape), x.dtype),
        jax.eval_shape(lambda: first_parameters(config, nets)),
    )
    bucket, rows = data.buckets.rows(0, 1)
    batch = jax.tree.map(lambda x: x[0], data._batch(data.train, rows, 4, data.folds))
    return loss, params, batch, coding


@pytest.mark.parametrize("letter_hidden", [0, 3])
def test_letters_are_coded_only_if_the_net_reads_them(letter_hidden):
    corpus = opinions()
    config = dataclasses.replace(tagger.Config(), letter_hidden=letter_hidden, batch_size=20)
    coding = coding_of(corpus, lowercase=True, least=1, longest=4)
    data = Data(config, corpus, coding, mesh_for(config.batch_size))
    for part in (data.train, data.valid, data.test):
        assert (part.letters is not None) == bool(letter_hidden)
        _, _, batch = next(data.batches(part))
        assert (batch.letters is not None) == bool(letter_hidden)


def test_the_gradient_of_a_copy_ignores_the_sentences_that_it_is_tested_on():
    config = dataclasses.replace(tagger.Config(), folds=2, fold=3, hidden=3, embedding=2,
                                 batch_size=20, beside="none", word_dropout=0.0)  # fmt: skip
    loss, params, batch, _ = loss_of_opinions(config)

    def gradient(labels):
        changed = batch._replace(labels=labels)
        return jax.grad(lambda p: loss(p, {}, {}, changed, jax.random.key(0))[0])(params)["net"]

    gradient = jax.jit(gradient)
    before = gradient(batch.labels)
    held_out = (batch.folds == 3)[:, None]
    after = gradient(jnp.where(held_out, (batch.labels + 1) % 3, batch.labels))
    assert held_out.any()
    for leaf, changed in zip(*(jax.tree.leaves(select_copy(g, 0)) for g in (before, after)),
                            strict=True):  # fmt: skip
        np.testing.assert_allclose(leaf, changed, atol=1e-7)
    assert not np.allclose(before["output"]["bias"][1], after["output"]["bias"][1])


def test_the_paper_s_objective_by_hand():
    config = dataclasses.replace(
        tagger.Config(), hidden=3, embedding=2, layers=1, batch_size=20, beside="none",
        word_dropout=0.0, reduction="sum", outside_weight=0.5, weight_decay=0.2,
        activation_decay=0.3,
    )  # fmt: skip
    loss, params, batch, coding = loss_of_opinions(config)
    value, (_, _, metrics) = jax.jit(loss)(params, {}, {}, batch, jax.random.key(0))
    nets = make_nets(config, coding, 0, False)
    own = select_copy(params["net"], 0)
    logits, (hidden,) = nets["net"].logits(own, None, batch)
    kept = batch.folds != 0
    p = jax.nn.log_softmax(logits)
    gold = jnp.take_along_axis(p, batch.labels.T[..., None], -1)[..., 0] * kept
    weights = jnp.where(batch.labels.T == coding.labels.index("O"), 0.5, 1.0)
    squares = sum(jnp.square(leaf).sum() for name in ("layers", "output")
                  for leaf in jax.tree.leaves(own[name]))  # fmt: skip
    expected = -(gold * weights).sum() + 0.1 * squares
    expected += 0.15 * jnp.square(hidden * kept[:, None]).sum()
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert float(metrics["net_nats"].total) == pytest.approx(-float(gold.sum()), rel=1e-5)


def test_the_output_layer_learns_at_a_tenth_of_the_rate():
    config = dataclasses.replace(
        tagger.Config(), optimizer="sgd", schedule="constant", learning_rate=0.5, momentum=0.7,
        output_rate=0.1, clip_norm=0.0,
    )  # fmt: skip
    params = {"net": {"layers": jnp.ones(2), "output": {"bias": jnp.ones(2)}}}
    optimizer = make_optimizer(config)
    state = optimizer.init(params)
    for factor in (1.0, 1.7):  # momentum
        updates, state = optimizer.update(jax.tree.map(jnp.ones_like, params), state, params)
        np.testing.assert_allclose(updates["net"]["layers"], -0.5 * factor)
        np.testing.assert_allclose(updates["net"]["output"]["bias"], -0.05 * factor)


def test_each_copy_s_gradient_is_clipped_by_its_own_norm():
    config = dataclasses.replace(
        tagger.Config(), optimizer="sgd", schedule="constant", learning_rate=1.0, momentum=0.0,
        clip_norm=1.0,
    )  # fmt: skip
    grads = {"net": {"w": jnp.array([[3.0, 4.0], [0.3, 0.4]])}}
    optimizer = make_optimizer(config)
    updates, _ = optimizer.update(grads, optimizer.init(grads), grads)
    np.testing.assert_allclose(updates["net"]["w"], [[-0.6, -0.8], [-0.3, -0.4]], rtol=1e-6)


@pytest.mark.thorough
def test_cut_and_resumed_it_ends_with_the_same_figures(tmp_path, command, monkeypatch, cut_at):
    monkeypatch.setattr(tagger_report, "write", lambda *_: None)
    (tmp_path / "mine.txt").write_text(columns("D N V D A"))
    words = (*SMALL, f"--dataset={tmp_path / 'mine.txt'}", "--beside=none")
    assert command(*words, f"--workdir={tmp_path / 'straight'}")[0] == 0
    with cut_at(3, steps_per_call=1):
        assert command(*words, f"--workdir={tmp_path / 'cut'}")[0] == 143
    status, out, _ = command(*words, f"--workdir={tmp_path / 'cut'}")
    assert status == 0 and "resuming at step 3" in out
    straight, resumed = (result(tmp_path / folder) for folder in ("straight", "cut"))
    assert straight["metrics"] == resumed["metrics"]
    straight, resumed = (read_kept(tmp_path / f / "best") for f in ("straight", "cut"))
    assert all((straight[name] == resumed[name]).all() for name in straight)


@pytest.mark.parametrize(
    ("content", "words", "sentence"),
    [
        ("", (), "is empty"),
        ("a A\nb\n", (), "line 2 has 1 columns"),
        (columns("A A A A A"), (), "the same label"),
        (columns("A B A B A"), ("--label_column=7",), "column 7 was requested"),
        (columns("A B A B A"), ("--folds=2",), "has 1 fold, from 0; lower one of the two"),
        (columns("A B A B A"), ("--embedding=0",), "The words have no vectors: give --vectors"),
        (columns("A B A B A"), ("--vectors=none.txt",), "none.txt cannot be read"),
        (columns("A B A B A"), ("--vectors=other.txt",), "no vector for any of the 5 words"),
        (columns("A B A B A"), ("--cell=tree",), "choose one of"),
        (columns("A B A B A"), ("--scoring=exact",), "'A' is not a label of a span"),
        (columns("B-X B-X O NOUN O"), ("--scoring=overlap",), "'NOUN' is not a label of a span"),
    ],
)
def test_mistakes_get_one_sentence(content, words, sentence, tmp_path, command):
    path = tmp_path / "mine.txt"
    path.write_text(content)
    (tmp_path / "other.txt").write_text("chat 1 2\nchien 3 4\n")
    words = [word.replace("other.txt", str(tmp_path / "other.txt")) for word in words]
    status, _, error = command(*SMALL, *words, f"--dataset={path}", f"--workdir={tmp_path / 'run'}")
    assert status == 2 and sentence in error and error.count("\n") == 1


def test_vectors_from_text(tmp_path, command):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat .\nthe dog sat on the log .\n" * 20)
    out = tmp_path / "vectors.txt"
    status, out_text, error = command("vectors", f"--text={text}", f"--out={out}", "--width=4")
    assert status == 0, error
    lines = out.read_text().splitlines()
    assert lines[0] == f"{len(lines) - 1} 4" and lines[1].split()[0] == "the"
    assert "280 words of text" in out_text
    status, _, error = command("vectors", f"--text={text}", f"--out={out}", "--width=50")
    assert status == 2 and "give more text, or a --width below" in error


@pytest.mark.parametrize("freeze", [True, False])
def test_pretrained_vectors_are_frozen_or_initial_values(freeze):
    config = dataclasses.replace(tagger.Config(), freeze=freeze, embedding=5, folds=2)
    coding = coding_of(opinions(), lowercase=True, least=1, longest=4)
    table = np.random.default_rng(0).normal(size=(len(coding.words) + 1, 3)).astype(np.float32)
    nets = make_nets(config, coding, 3, False)
    encoder = nets["net"].encoder
    assert (encoder.given, encoder.embedding) == ((3, 5) if freeze else (0, 3))
    first = jax.jit(lambda: first_parameters(config, nets, table)["net"]["encoder"]["words"])
    words = first()  # nothing else is drawn
    assert words.shape == (2, len(coding.words) + 1, 5 if freeze else 3)
    assert freeze or (words == table).all()


def test_figures_are_published_for_the_paper_s_own_nets_only():
    found = tagger.published(tagger.PRESETS["opinion-dse"])
    assert found["test_proportional_f1"].value == 64.57
    assert found["test_shallow_binary_f1"].value == 69.62
    assert tagger.published(tagger.PRESETS["opinion-ese-5"])["test_binary_f1"].value == 61.61
    assert not tagger.published(dataclasses.replace(tagger.PRESETS["opinion-dse-5"], hidden=9))
    assert not tagger.published(tagger.Config())
    for dataset, rows in tagger_report.TABLE.items():
        for size, (*_, proportional, binary) in rows.items():
            assert proportional < binary, (dataset, size)


def test_spans_in_colour():
    words, gold, predicted = "a b c d".split(), "O B I O".split(), "I I O B".split()
    page = str(sentence_lines("overlap", words, gold, {"net": predicted}))
    assert page.count('class="right"') == 1 and page.count('class="wrong"') == 1
    assert '<span class="right unbegun" style="--strength:0.7">a b</span>' in page  # as written
    page = str(sentence_lines("exact", ["<x>"], ["B-NP"], {"net": ["B-NP"]}))
    assert "[NP &lt;x&gt;]" in page


@pytest.mark.parametrize("directions", ["both", "forward"])
def test_the_plane_shows_the_states_that_a_sentence_s_label_depends_on(directions):
    config = dataclasses.replace(tagger.Config(), hidden=3, embedding=2, layers=2, batch_size=4,
                                 beside="none", directions=directions)  # fmt: skip
    part = Sentences([["good", "film"], ["bad"], ["a", "bad", "film"], ["no"]],
                     [["yes"], ["no"], ["no"], ["no"]])  # fmt: skip
    corpus = Corpus(part, part, part, True)
    coding = coding_of(corpus, lowercase=True, least=1, longest=4)
    data, nets = Data(config, corpus, coding, mesh_for(4)), make_nets(config, coding, 0, True)
    params = select_copy(first_parameters(config, nets)["net"], 0)
    evaluation = SimpleNamespace(corpus=corpus, nets=nets, data=data, vectors=None)
    run = SimpleNamespace(evaluation=evaluation, rows=range(4), params=params)
    states, labels, titles = tagger_report.hidden_states(run)
    for rows, count, batch in data.batches(data.test):
        logits = nets["net"].logits(params, None, batch)[0]
        for row, wanted in zip(rows[:count], logits, strict=False):
            place = titles.index(" ".join(part.words[row]))
            output = params["output"]
            np.testing.assert_allclose(
                states[place] @ output["weights"] + output["bias"], wanted, rtol=1e-5, atol=1e-6
            )
            assert labels[place] == part.labels[row][0]
    assert len(titles) == 4


def test_some_sentences_of_each_class_are_shown_and_none_twice():
    gold = [["a"]] * 500 + [["b"]] * 3 + [["c"]] * 50
    shown = tagger_report.some_of_each(gold)
    assert shown == [*range(6), 500, 501, 502, *range(503, 509)]
    words = [["x"], ["y"], ["x"], ["z"]]
    labelled = tagger_report.Labelled(words, [["O"]] * 4, {})
    assert tagger_report.once(labelled, [0, 1, 2, 3]) == [0, 1, 3]
    assert tagger_report.once(labelled, [3, 2, 0]) == [3, 2]


def test_presets_with_committed_results_read_digits_as_0():
    others = {name: preset for name, preset in tagger.PRESETS.items() if name != "quick"}
    assert {preset.digits for preset in others.values()} == {"0"}
    assert tagger.PRESETS["quick"].digits == "kept"
