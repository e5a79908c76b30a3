"""The word language model's command: tiny runs from end to end, resumed, sampled, and misused."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from data.text import Text
from experiments import word_lm
from experiments.language import word_lm_report
from experiments.language.dynamic_evaluation import dynamic_surprisals
from experiments.language.net import make_word_model
from experiments.language.running_text import make_surprisals
from experiments.language.scores import Surprisals, best_weight, perplexity, positions
from experiments.training.first_parameters import first_parameters
from experiments.training.loop import parameter_count
from experiments.training.optimizer import make_schedule
from experiments.training.trained_net import newest_checkpoint

pytestmark = pytest.mark.usefixtures("quick_compilation")
SMALL = ("--hidden=6", "--embedding=6", "--unroll=5", "--batch_size=3", "--num_steps=8",
         "--eval_every=2", "--checkpoint_every=4", "--steps_per_call=2", "--vocabulary=8")
VARIATIONAL = ("--tied", "--same_mask", "--recurrent_dropout=0.2", "--word_dropout=0.2",
               "--layers=2", "--schedule=validation", "--decay=0.1",
               "--learning_rate=2e-3")  # so small that the rate falls from the second evaluation on
TEXT = "The cat (black) sat.\nThe dog sat on the cat, black as a dog.\n" * 12


@pytest.fixture
def own_text(write_text):
    return write_text(TEXT)


@pytest.fixture
def command(run_main):
    return lambda *words: run_main(words, word_lm.PRESETS, word_lm.run, word_lm.COMMANDS)


@pytest.fixture(scope="module")
def trained(trained_on):
    """The folder of a finished run, not to be changed."""
    return trained_on(TEXT, (*SMALL, *VARIATIONAL), word_lm)


def figures_of_complete_run(workdir):
    """The figures of a run, which has left all of its files."""
    rows = (workdir / "samples.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [0, 2, 4, 6, 8]
    assert "Samples during training" in (workdir / "report.html").read_text()
    found = json.loads((workdir / "result.json").read_text())["metrics"]
    assert 1 < found["test_perplexity"] < 10 and 1 < found["test_kn5_perplexity"] < 8
    return found


def test_a_run_ends_with_figures_samples_and_a_report(trained):
    found = figures_of_complete_run(trained)
    assert "test_dynamic_perplexity" not in found and "test_mixture_perplexity" in found


def test_a_run_without_validation_ends_with_dynamic_evaluation(own_text, tmp_path, command):
    words = ("--cell=rnn_sigmoid", "--embedding=0", "--dropout=0", "--dynamic_rate=0.1",
             "--valid_percent=0", f"--dataset={own_text}", f"--workdir={tmp_path}")  # fmt: skip
    status, _, error = command(*SMALL, *words)
    assert status == 0, error
    found = figures_of_complete_run(tmp_path)
    assert "test_dynamic_perplexity" in found and "test_mixture_perplexity" not in found


def rate_of(workdir):
    """The scale that validation has given the learning rate of a run."""
    arrays = newest_checkpoint(str(workdir)).arrays
    return next(float(array) for name, array in arrays.items() if name.endswith(".scale"))


@pytest.mark.thorough
def test_cut_in_the_middle_it_ends_with_the_same_figures(
    own_text, tmp_path, trained, command, monkeypatch, cut_at
):
    monkeypatch.setattr(word_lm_report, "write", lambda *_: None)
    workdir = tmp_path / "cut"
    flags = (*SMALL, *VARIATIONAL, f"--dataset={own_text}", f"--workdir={workdir}")

    with cut_at(6):
        assert command(*flags)[0] == 143
    status, out, _ = command(*flags)
    assert status == 0 and "resuming at step 6" in out
    straight, resumed = (json.loads((d / "result.json").read_text()) for d in (trained, workdir))
    assert straight["metrics"] == resumed["metrics"]
    assert rate_of(trained) == rate_of(workdir) == pytest.approx(0.01)  # saved, then evaluated
    assert (trained / "samples.jsonl").read_text() == (workdir / "samples.jsonl").read_text()


def test_sampling(trained, command):
    def written(*words):
        status, out, error = command("sample", f"--workdir={trained}", "--length=9", *words)
        assert status == 0, error
        return out

    assert written("--prime=The cat").startswith("The cat")
    assert written("--prime=sat .") == written("--prime=sat.")
    assert written("--seed=1") != written("--seed=2")
    cold = [written("--temperature=0", f"--seed={seed}") for seed in (1, 2)]
    assert cold[0] == cold[1] == written("--top_k=1")
    assert written("--length=0", "--prime=The cat") == "The cat\n"


def test_models_without_a_net(own_text, command):
    status, out, error = command("ngrams", f"--dataset={own_text}")
    assert status == 0 and "unigram" in out and "5-gram" in out, error
    other = own_text.with_name("test.txt")
    other.write_text("the cat sat on the mat .\n" * 3)
    status, tested, error = command("ngrams", f"--dataset={own_text}", f"--test={other}")
    assert status == 0 and tested != out, error


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--tied", "--embedding=5"), "--tied needs --embedding"),
        (("--word_dropout=0.1", "--embedding=0"), "--word_dropout needs"),
        (("--test_percent=0.1",), "--test_percent"),
        (("--valid_percent=0", "--schedule=validation"), "needs a validation part"),
        (("--dataset=latin",), "choose python"),
        (("--unroll=900",), "a smaller --batch_size or --unroll"),
        (("--tokens=letters",), "choose one of marks, blanks"),
    ],
)
def test_mistakes_get_one_sentence(words, sentence, own_text, tmp_path, command):
    flags = (*SMALL, f"--dataset={own_text}", f"--workdir={tmp_path / 'run'}")
    status, out, error = command(*flags, *words)
    assert status == 2 and sentence in error and error.count("\n") == 1, error


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--prime=zebra"], "'zebra' is not among the 8 words"),
        (["--workdir=/nowhere/at/all"], "has no sound checkpoint"),
    ],
)
def test_wrong_sampling(words, sentence, trained, command):
    status, out, error = command("sample", f"--workdir={trained}", *words)
    assert (status, out) == (2, "") and sentence in error and error.count("\n") == 1, error


@pytest.mark.parametrize(
    ("preset", "count"),
    [
        ("zaremba-small", 4_651_600),
        ("zaremba-medium", 19_775_200),
        ("zaremba-large", 66_022_000),
        ("variational", 66_022_000 - 15_000_000),
        ("mikolov", 10_000 * 300 + 300 * 300 + 300 + 300 * 10_000 + 10_000),
    ],
)
def test_parameter_counts(preset, count):
    model = make_word_model(word_lm.PRESETS[preset], 10_000)
    assert parameter_count(jax.eval_shape(model.init, jax.random.key(0))) == count


def test_zaremba_s_rate_is_halved_after_the_fourth_pass():
    schedule = make_schedule(word_lm.PRESETS["zaremba-small"], 2323)
    rates = [float(schedule(step)) for step in (0, 4 * 2323 - 1, 4 * 2323, 13 * 2323 - 1)]
    assert rates == pytest.approx([1, 1, 0.5, 0.5**9])


def small(**changes):
    config = dataclasses.replace(word_lm.PRESETS["quick"], hidden=5, embedding=5, **changes)
    model = make_word_model(config, 7)
    return model, first_parameters(config, model, 0)


CODES = np.random.default_rng(0).integers(0, 7, 33).astype(np.int32)


def test_dynamic_evaluation_without_a_rate_is_the_static_one():
    model, params = small()
    static = make_surprisals(model)(params, CODES)
    np.testing.assert_allclose(dynamic_surprisals(model, params, CODES, 6, 0.0, 5.0), static, 1e-5)


def test_dynamic_evaluation_learns_after_it_has_predicted():
    model, params = small()
    codes = np.tile(np.array([1, 2, 3, 4], np.int32), 60)
    static = make_surprisals(model)(params, codes)
    dynamic = dynamic_surprisals(model, params, codes, 4, 0.5, 0.0)
    np.testing.assert_allclose(dynamic[:4], static[:4], 1e-5)
    assert dynamic[-40:].mean() < 0.5 * static[-40:].mean()


def test_the_mixture_is_of_probabilities_and_its_weight_the_best():
    p, q = np.array([0.5, 0.1, 0.3]), np.array([0.2, 0.6, 0.2])
    both = Surprisals(-np.log(p), -np.log(q))
    np.testing.assert_allclose(both.mixture(0.25), -np.log(0.25 * p + 0.75 * q))
    np.testing.assert_allclose(both.mixture(1.0), both.net)
    best = perplexity(both.mixture(best_weight(both)))
    assert best <= min(perplexity(both.mixture(w)) for w in np.linspace(0, 1, 101)) + 1e-6
    assert best < min(perplexity(both.net), perplexity(both.ngrams))


def test_figures_are_published_for_the_paper_s_own_net_and_text_only():
    config = word_lm.PRESETS["zaremba-small"]
    found = word_lm.published(config)
    assert next(iter(found)) == "test_perplexity" and found["test_kn5_perplexity"].value == 141.2
    assert list(word_lm.published(dataclasses.replace(config, hidden=9))) == ["test_kn5_perplexity"]
    assert not word_lm.published(word_lm.PRESETS["quick"])


def test_positions_start_again_after_an_end():
    assert positions(np.array([0, 3, 4, 0, 0, 5]), end=0).tolist() == [1, 2, 3, 1, 1]


def test_the_report_counts_every_word_once_and_finds_the_nearest_words():
    words = ("<eos>", *(chr(97 + i) * 5 for i in range(20)), "<unk>")
    codes = np.arange(22).repeat(3)
    text = Text(codes, codes, codes, words)
    table = word_lm_report.by_frequency(text, {"net": np.full(65, np.log(7.0))}).table
    assert sum(int(row[1]) for row in table.rows) == 65
    assert [row[0] for row in table.rows] == [
        "<eos>", "<unk>", "rank 1 to 10", "rank 11 to 20",
    ] and {row[3] for row in table.rows} == {"7.0"}  # fmt: skip
    angles = np.linspace(0, 1, 22)[:, None] ** 2
    vectors = np.concatenate([np.cos(angles), np.sin(angles)], 1)
    assert word_lm_report.nearest_words(text, vectors).table is None  # three times is too seldom
    often = np.arange(22).repeat(np.r_[[word_lm_report.OFTEN] * 20, 1, 99])
    rows = word_lm_report.nearest_words(text._replace(train=often), vectors).table.rows
    assert rows[0][0] == "aaaaa" and rows[0][1].startswith("bbbbb 1.00, ccccc")
    assert not any("ttttt" in cell for row in rows for cell in row)  # which comes once


def test_the_report_says_so_where_5_grams_are_better():
    figures = {"test_perplexity": 18.22, "test_kn5_perplexity": 18.0}
    assert word_lm_report.beside_ngrams(figures).startswith(
        "5-grams predict the test part as well as the net or better: perplexity 18 against 18.22."
    )
    figures["test_kn5_perplexity"] = 63.41
    assert word_lm_report.beside_ngrams(figures) == (
        "The net predicts the test part better than 5-grams do: perplexity 18.22 against 63.41."
    )


def test_words_have_the_vectors_of_the_output_layer():
    weights, embedding = np.ones((2, 5)), np.zeros((5, 3))
    params = {"embedding": embedding, "output": {"weights": weights, "bias": np.zeros(5)}}
    assert word_lm_report.word_vectors(params).tolist() == weights.T.tolist()
    tied = {"embedding": embedding, "output": {"bias": np.zeros(5)}}
    assert word_lm_report.word_vectors(tied).tolist() == embedding.tolist()
