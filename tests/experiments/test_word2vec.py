"""The command of word2vec: tiny runs from end to end, resumed, asked, written, and misused."""

import json

import jax
import numpy as np
import pytest

from data import vector_texts
from data.text_stream import word_stream
from data.word_similarity import Analogies, Pair, WordTests
from data.word_vectors import read_vectors
from data.word_windows import huffman
from experiments import word2vec
from experiments.export.__main__ import main as export
from experiments.language import word2vec_commands
from experiments.language.vector_scores import (
    SectionScore,
    Vectors,
    answer_analogies,
    published_scores,
    rank_correlation,
    same_class_percent,
    total,
)
from experiments.language.word2vec_report import principal_components
from experiments.runtime.command_line import main
from experiments.training.trained_net import newest_checkpoint
from nets.word2vec import Word2vec, path_surprise

pytestmark = pytest.mark.usefixtures("quick_compilation")
SMALL = ("--size=6", "--num_steps=8", "--eval_every=4", "--checkpoint_every=4", "--block=8",
         "--shared=4", "--steps_per_call=3", "--batch_size=2")  # fmt: skip


@pytest.fixture(autouse=True)
def few_sentences(monkeypatch):
    monkeypatch.setattr(vector_texts, "SENTENCES", 200)


@pytest.fixture
def command(run_main):
    return lambda *words: run_main(words, word2vec.PRESETS, word2vec.run, word2vec.COMMANDS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run on the generated text, not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_texts, "SENTENCES", 200)
        patch.setattr("sys.argv", ["word2vec", *SMALL, f"--workdir={folder}"])
        assert main(word2vec.PRESETS, word2vec.run) == 0
    return folder


def arrays(workdir):
    return newest_checkpoint(str(workdir)).arrays


def test_a_run_ends_with_figures_and_a_report(trained):
    result = json.loads((trained / "result.json").read_text())
    assert 0 <= result["metrics"]["test_same_class_percent"] <= 100
    assert result["steps"] == 8 and result["speed_unit"] == "words per second"
    page = (trained / "report.html").read_text()
    for title in ("Map", "Nearest words", "Curves"):
        assert f"<h2>{title}" in page or title in page
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["split"] == "train"] == [4, 8]


@pytest.mark.parametrize("words", [("--cbow",), ("--hs", "--negative=0"), ("--cbow", "--hs")])
def test_other_nets(words, tmp_path, command):
    status, _, error = command(*SMALL, *words, f"--workdir={tmp_path}")
    assert status == 0, error
    names = {name.split("'")[1] for name in arrays(tmp_path) if name.startswith(".params")}
    assert ("nodes" in names) == ("--hs" in words)
    assert ("outputs" in names) == ("--negative=0" not in words)


def test_cut_in_the_middle_it_ends_with_the_same_bytes(trained, tmp_path, command, cut_at):
    with cut_at(3):
        status, _, _ = command(*SMALL, f"--workdir={tmp_path}")
    assert status == 143
    status, out, error = command(*SMALL, f"--workdir={tmp_path}")
    assert status == 0 and "resuming at step 3 of 8" in out, error
    whole, resumed = arrays(trained), arrays(tmp_path)
    assert whole.keys() == resumed.keys()
    for name in whole:
        assert (whole[name] == resumed[name]).all(), name
    losses = [[json.loads(line).get("loss") for line in (folder / "metrics.jsonl").open()]
              for folder in (trained, tmp_path)]  # fmt: skip
    assert losses[0] == losses[1]


def test_half_precision_changes_the_run_a_little(trained, tmp_path, command):
    status, _, error = command(*SMALL, "--dtype=bfloat16", f"--workdir={tmp_path}")
    assert status == 0, error
    one, other = (arrays(folder)[".params['words']"] for folder in (trained, tmp_path))
    assert (one != other).any() and abs(one - other).max() < 1e-3


def test_steps_follow_from_passes_unless_they_are_given():
    text = word_stream(["a b c d\n" * 30], tokens="blanks", lowercase=True, least=1, name="x")
    config = word2vec.Config(iter=3, block=7)
    steps = word2vec.make_windows(config, text).steps_in_a_pass
    assert steps == 18
    config = word2vec.with_steps(config, steps)
    assert (config.num_steps, config.eval_every, config.checkpoint_every) == (54, 11, 11)
    config = word2vec.with_steps(word2vec.Config(num_steps=5, eval_every=2), steps)
    assert (config.num_steps, config.eval_every, config.checkpoint_every) == (5, 2, 2)


def test_the_rate_is_the_programs_and_falls_linearly_to_the_end(drawn):
    from experiments.training.loop import TrainState

    assert word2vec.checked(word2vec.Config(cbow=True)).learning_rate == 0.05
    assert word2vec.checked(word2vec.Config()).learning_rate == 0.025
    text = word_stream(["a b c d\n" * 9], tokens="blanks", lowercase=True, least=1, name="x")
    config = word2vec.Config(size=4, block=4, shared=2)
    batch = jax.tree.map(lambda xs: xs[0], word2vec.make_windows(config, text).blocks(0, 1))
    model = word2vec.make_model(config, len(text.words))
    step = jax.jit(word2vec.make_step(model, 0.5, 100, "float32"))
    params = drawn(model.init)
    change = [step(TrainState(np.int32(n), params, {}, {}, {}), batch)[0].params["words"]
              - params["words"] for n in (0, 50, 100)]  # fmt: skip
    np.testing.assert_allclose(change[1], change[0] / 2, atol=1e-6)
    assert abs(change[2]).max() < 1e-3 * abs(change[0]).max()


def test_neighbours_and_analogy(trained, command):
    where = f"--workdir={trained}"
    status, out, _ = command("neighbours", where, "--words=Captain lost", "--count=3")
    assert status == 0 and "nearest to Captain" in out and len(out.split("\n")) >= 10
    status, out, _ = command("analogy", where, "--words=lost quiet sees", "--count=2")
    assert status == 0 and "lost is to quiet as sees is to" in " ".join(out.split())
    for words, sentence in (
        (("neighbours", "--words=zebra"), "'zebra' is not among the 3"),
        (("neighbours",), "--words='king'"), (("analogy", "--words=lost sees"), "man king woman"),
        (("analogy", "--words=lost sees a the"), "give three words"),
        (("neighbours", "--words=a", "--workdir=/nowhere"), "no sound checkpoint"),
    ):  # fmt: skip
        status, _, error = command(words[0], where, *words[1:])
        assert status == 2 and sentence in error, error


@pytest.mark.parametrize("binary", [False, True])
def test_the_tagger_reads_the_vectors(binary, trained, tmp_path, command):
    path = tmp_path / "vectors"
    status, out, error = command(
        "vectors", f"--workdir={trained}", f"--out={path}", f"--binary={binary}"
    )
    assert status == 0, error
    words, vectors = read_vectors(path)
    assert words == arrays_words(trained) and f"for {len(words)} words" in out
    exact = arrays(trained)[".params['words']"]
    np.testing.assert_allclose(vectors, exact, rtol=0 if binary else 1e-4)


def arrays_words(workdir):
    return newest_checkpoint(str(workdir)).note["identity"]["words"].split(" ")


@pytest.mark.thorough
def test_a_tagger_begins_with_the_vectors(trained, tmp_path, run_main, command):
    from experiments import tagger

    path = tmp_path / "vectors.txt"
    assert command("vectors", f"--workdir={trained}", f"--out={path}")[0] == 0
    status, _, error = run_main(
        ("--hidden=4", "--num_steps=2", "--eval_every=2", "--checkpoint_every=2",
         f"--vectors={path}", f"--workdir={tmp_path / 'run'}"),
        tagger.PRESETS, tagger.run,
    )  # fmt: skip
    assert status == 0, error


def test_the_exported_form_gives_the_vectors_of_words(trained, tmp_path):
    export([f"--workdir={trained}", f"--out={tmp_path / 'out'}"])
    assert (tmp_path / "out" / "export.json").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--negative=0",), "leaves nothing to learn"),
        (("--dataset=nothing",), "choose grammar"),
        (("--dataset=./none.txt",), "cannot be read"),
        (("--min_count=100000",), "smaller --min_count"),
        (("--size=0",), "give 1 or more"),
    ],
)
def test_wrong_flags(words, sentence, tmp_path, command):
    status, _, error = command(*SMALL, *words, f"--workdir={tmp_path}")
    assert status == 2 and sentence in error, error


def test_two_devices_give_the_figures_of_one(tmp_path, quick_processes, trained):
    import subprocess
    import sys

    code = ("from data import vector_texts; vector_texts.SENTENCES = 200\n"
            "import sys; from experiments import word2vec; from experiments.runtime.command_line "
            "import main\nsys.exit(main(word2vec.PRESETS, word2vec.run))")  # fmt: skip
    words = (*SMALL, "--num_cpu_devices=2", f"--workdir={tmp_path}")
    done = subprocess.run([sys.executable, "-c", code, *words], env=quick_processes,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0 and "2 x cpu" in done.stdout, done.stderr
    one, other = (arrays(folder)[".params['words']"] for folder in (trained, tmp_path))
    np.testing.assert_allclose(one, other, atol=1e-6)


# ---- scores

SQUARE = Vectors(["king", "man", "queen", "woman", "Rome"],
                 np.array([[1, 1], [1, 0.1], [-1, 1], [-1, 0.1], [0, -1.0]]))  # fmt: skip


def test_analogies_are_answered_and_counted():
    sections = [
        Analogies("royal", [("man", "king", "woman", "queen"), ("MAN", "KING", "woman", "rome")]),
        Analogies("unseen", [("man", "king", "woman", "duchess")]),
    ]
    found = answer_analogies(SQUARE, sections)
    assert found == [SectionScore("royal", 1, 2, 2), SectionScore("unseen", 0, 0, 1)]
    assert total(found).percent == 50 and total(found).questions == 3 and found[1].percent == 0


def test_words_that_differ_in_case_are_one_answer():
    vectors = Vectors(["king", "man", "Queen", "woman", "queen"],
                      np.array([[1, 1], [1, 0.1], [-1, 1], [-1, 0.1], [0, -1.0]]))  # fmt: skip
    asked = [Analogies("royal", [("man", "king", "woman", "queen")])]
    assert answer_analogies(vectors, asked)[0].right == 1


def test_rank_correlation_counts_the_pairs_of_known_words():
    pairs = [Pair("king", "man", 9), Pair("king", "queen", 5), Pair("man", "Rome", 3),
             Pair("king", "Rome", 1), Pair("king", "duke", 10)]  # fmt: skip
    assert rank_correlation(SQUARE, pairs) == (pytest.approx(1), 4)
    assert rank_correlation(SQUARE, pairs[:2]) == (0.0, 2)
    same = [pair._replace(score=1) for pair in pairs]
    assert rank_correlation(SQUARE, same) == (0.0, 4)


def test_published_figures_have_their_counts():
    asked = [Analogies(str(n), [("man", "king", "woman", "queen")]) for n in range(7)]
    pairs = [Pair("king", "man", 9), Pair("king", "queen", 5), Pair("king", "Rome", 1)]
    figures, _ = published_scores(SQUARE, WordTests(asked, pairs, pairs))
    assert figures["analogies_percent"] == 100 and figures["analogies_seen"] == 7
    assert figures["wordsim_pairs"] == 3 and figures["wordsim_correlation"] == pytest.approx(1)


def test_share_of_neighbours_of_the_same_class():
    classes = {"king": "a", "man": "a", "queen": "b", "woman": "b", "Rome": "c"}
    assert same_class_percent(SQUARE, classes) == 100
    classes = {"king": "a", "man": "b", "queen": "a", "woman": "b"}
    assert same_class_percent(SQUARE, classes) == 0


def test_nearest_words_leave_out_those_asked_for():
    found = SQUARE.nearest(SQUARE.unit[0], [0], 2)
    assert [word for word, _ in found] == ["man", "queen"] and found[0][1] > found[1][1]


def test_principal_components():
    rows = np.random.default_rng(0).normal(size=(50, 5)) * [9, 3, 0.01, 0.01, 0.01]
    points, share = principal_components(rows)
    centred = rows - rows.mean(0)
    assert share > 0.999
    lengths = [np.linalg.norm(xs, axis=1) for xs in (points, centred)]
    np.testing.assert_allclose(*lengths, atol=0.1)  # turned, but no shorter
    assert (abs(points.T @ points) < 1e-6 * points.size * 81)[0, 1]


def test_words_probabilities_in_huffmans_tree_sum_to_1(drawn):
    counts = np.arange(30, 0, -1) ** 2
    tree = huffman(counts)
    params = drawn(Word2vec(30, 5, False, 0, True).init)
    scores = np.einsum("nd,tld->ntl", params["words"], params["nodes"][tree.nodes])
    p = np.exp(-path_surprise(scores, tree.turns))
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    assert p.shape == (30, 30)
    flat = np.exp(-path_surprise(0 * scores, tree.turns))
    assert (np.log2(flat) == -abs(tree.turns).sum(1)).all()  # untrained: 1/2 at every turn


def test_commands_are_listed():
    assert set(word2vec_commands.COMMANDS) == {"neighbours", "analogy", "vectors"}
