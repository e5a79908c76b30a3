"""The character RNN's command: tiny runs from end to end, resumed, sampled, and misused."""

import json

import jax
import numpy as np
import optax
import pytest
from scipy.special import log_softmax

from experiments import char_rnn
from experiments.language import char_rnn_report
from experiments.language.char_rnn_sample import DEFAULT, sample
from experiments.training.optimizer import make_optimizer, make_schedule
from nets.cells import GRU, LSTM, RNN
from nets.language_model import LanguageModel

pytestmark = pytest.mark.usefixtures("quick_compilation")
SMALL = ("--hidden=6", "--unroll=5", "--batch_size=3", "--num_steps=8", "--eval_every=4",
         "--checkpoint_every=4", "--steps_per_call=2")  # fmt: skip
TEXT = 'He said "to be" (or not).\nTwo lines, <script>OK.\n' * 12


@pytest.fixture
def own_text(write_text):
    return write_text(TEXT)


@pytest.fixture
def command(run_main):
    commands = {"sample": (DEFAULT, sample)}
    return lambda *words: run_main(words, char_rnn.PRESETS, char_rnn.run, commands)


@pytest.mark.parametrize(
    "words",
    [
        ("--cell=gru", "--layers=2", "--embedding=4", "--dropout=0.2"),
        *(pytest.param(words, marks=pytest.mark.thorough) for words in [(), ("--cell=rnn",)]),
    ],
)
def test_a_run_ends_with_figures_samples_and_a_report(
    words, own_text, hostile_folder, command, assert_shown_as_text
):
    workdir = hostile_folder
    flags = (*SMALL, *words, f"--dataset={own_text}", f"--workdir={workdir}")
    status, out, error = command(*flags)
    assert status == 0, error
    result = json.loads((workdir / "result.json").read_text())
    nats = result["metrics"]["test_nats_per_character"]
    assert result["metrics"]["test_bits_per_character"] == pytest.approx(nats / np.log(2))
    assert result["metrics"]["test_bigram_nats_per_character"] > 0
    rows = (workdir / "samples.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [0, 4, 8]
    page = (workdir / "report.html").read_text()
    for words in ("Samples during training", "Hidden units over the text", "correlation"):
        assert words in page
    assert_shown_as_text(workdir / "report.html", "<script>OK")


@pytest.fixture(scope="module")
def trained(trained_on):
    """The folder of a finished run, not to be changed."""
    return trained_on(TEXT, SMALL, char_rnn, char_rnn_report)


def test_sampling(trained, command):
    def written(*words):
        status, out, error = command("sample", f"--workdir={trained}", "--length=20", *words)
        assert status == 0, error
        return out

    assert written("--prime=He") == written("--prime=He")
    assert written("--prime=He").startswith("He") and len(written("--prime=He")) == 2 + 20 + 1
    assert written("--seed=1") != written("--seed=2")
    cold = [written("--temperature=0", f"--seed={seed}") for seed in (1, 2)]
    assert cold[0] == cold[1] == written("--top_k=1") == written("--top_p=1e-6")
    assert cold[0] == written("--temperature=1e-320") == written("--temperature=1e-30")
    assert written("--length=0", "--prime=to be") == "to be\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--prime=☃"], "'☃' does not occur"),
        (["--temperature=-1"], "give 0.0 or more"),
        (["--temperature=nan"], "finite"),
        (["--length=-1"], "give 0 or more"),
        (["--top_p=2"], "give 1.0 or less"),
        (["--workdir=/nowhere/at/all"], "has no sound checkpoint"),
        (["--size=3"], "Unknown command line flag"),
    ],
)
def test_wrong_sampling(words, sentence, trained, command):
    status, out, error = command("sample", f"--workdir={trained}", *words)
    assert (status, out) == (2, "") and sentence in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("changed", "name"),
    [("--unroll=4", "unroll"), ("--dataset=OTHER", "symbols"), ("--test=OTHER", "text"),
     ("--valid=OTHER", "text")],
)  # fmt: skip
def test_another_unroll_or_vocabulary_does_not_resume(changed, name, trained, own_text, command):
    other = own_text.with_name("other.txt")
    other.write_text(TEXT.replace("Two", "Xtwo"))
    words = (*SMALL, f"--dataset={own_text}", changed.replace("OTHER", str(other)))
    status, _, error = command(*words, f"--workdir={trained}")
    assert status == 2 and name in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "words", "sentence"),
    [
        (b"", (), "is empty"),
        (b"xxxx", (), "nothing but 'x'"),
        (b"\x80abc", (), "--unit=bytes"),
        (b"too short", (), "a smaller --batch_size or --unroll"),
        (None, (), "cannot be read"),
        (TEXT.encode(), ("--test_percent=0.1",), "larger --test_percent"),
        (TEXT.encode(), ("--unroll=0",), "give 1 or more"),
        (TEXT.encode(), ("--cell=tree",), "choose one of"),
    ],
)
def test_wrong_texts(content, words, sentence, tmp_path, command):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    status, _, error = command(
        *SMALL, *words, f"--dataset={path}", f"--workdir={tmp_path / 'run'}"
    )
    assert status == 2 and sentence in error and error.count("\n") == 1


def test_bytes_are_read_and_written_as_they_are(tmp_path, command, monkeypatch):
    monkeypatch.setattr(char_rnn_report, "write", lambda *_: None)
    path = tmp_path / "any.bin"
    path.write_bytes(bytes(range(200, 256)) * 10)
    flags = (*SMALL, "--unit=bytes", "--cell=rnn", f"--dataset={path}",
             f"--workdir={tmp_path / 'run'}")  # fmt: skip
    assert command(*flags)[0] == 0


def test_cut_in_the_middle_of_a_pass_it_ends_with_the_same_bytes(
    own_text, tmp_path, trained, command, cut_at
):
    """The carried state is part of what a checkpoint holds."""
    workdir = tmp_path / "cut"
    flags = (*SMALL, f"--dataset={own_text}", f"--workdir={workdir}")
    with cut_at(6):
        assert command(*flags)[0] == 143
    status, out, _ = command(*flags)
    assert status == 0 and "resuming at step 6" in out
    straight, resumed = (json.loads((d / "result.json").read_text()) for d in (trained, workdir))
    assert straight["metrics"] == resumed["metrics"]
    assert (trained / "samples.jsonl").read_text() == (workdir / "samples.jsonl").read_text()


def test_recompute_resumes_from_the_same_checkpoint(own_text, tmp_path, trained, command, cut_at):
    """It is not part of a run's identity: gradients differ only by rounding."""
    workdir = tmp_path / "cut"
    flags = (*SMALL, f"--dataset={own_text}", f"--workdir={workdir}")
    with cut_at(4):
        assert command(*flags)[0] == 143
    status, out, _ = command(*flags, "--recompute")
    assert status == 0 and "resuming at step 4" in out
    straight, resumed = (json.loads((d / "result.json").read_text()) for d in (trained, workdir))
    assert resumed["metrics"] == pytest.approx(straight["metrics"], rel=1e-5)


def parameters(model):
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize(
    ("preset", "symbols", "count"),
    [
        ("lecture", 84, 84 * 100 + 100 * 100 + 100 + 100 * 84 + 84),
        ("karpathy-lstm", 87, 44_567),
        ("karpathy-lstm-128", 87, 121_815),
        ("karpathy-lstm-256", 87, 374_615),
        ("karpathy-lstm-512", 87, 1_273_431),
    ],
)
def test_parameter_counts(preset, symbols, count):
    assert parameters(char_rnn.make_model(char_rnn.PRESETS[preset], symbols)) == count


@pytest.mark.parametrize("budget", char_rnn.BUDGETS)
@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_sizes_are_the_largest_within_the_lstm_s_parameters(budget, cell):
    def count(cell, hidden):
        cells = {"lstm": LSTM, "gru": GRU, "rnn": RNN}[cell](hidden)
        return parameters(LanguageModel((cells,), 87))

    limit, hidden = count("lstm", budget), char_rnn.BUDGETS[budget][cell]
    assert count(cell, hidden) <= limit < count(cell, hidden + 1)


def test_initial_parameters_follow_the_options():
    def drawn(config, symbols):
        model = char_rnn.make_model(config, symbols)
        return jax.jit(lambda: char_rnn.first_parameters(config, model, seed=0))()

    config = char_rnn.PRESETS["karpathy-lstm"]
    params = drawn(config, 87)
    forget = params["layers"][0]["forget"]
    assert abs(forget["b"] - 1).max() <= 0.08 and abs(forget["h"]).max() <= 0.08
    assert abs(params["output"]["bias"]).max() > 0
    config = char_rnn.PRESETS["lecture"]
    params = drawn(config, 84)
    assert params["layers"][0]["hidden"]["h"].std() == pytest.approx(0.01, rel=0.05)
    assert (params["layers"][0]["hidden"]["b"] == 0).all()


SMALL_NET = LanguageModel((LSTM(5), GRU(4)), symbols=7, embedding=3)
surprisals = char_rnn.make_surprisals(SMALL_NET)


@pytest.mark.parametrize("size", [2, 500, 501, 502, 730])
def test_the_mean_surprisal_is_of_every_symbol_but_the_first(drawn, size):
    params = drawn(SMALL_NET.init)
    codes = np.random.default_rng(0).integers(0, 7, 730).astype(np.int32)
    _, logits = jax.jit(SMALL_NET.logits)(params, codes[:-1, None], SMALL_NET.carry(1))
    expected = -log_softmax(logits[:, 0], -1)[np.arange(size - 1), codes[1:size]].mean()
    assert surprisals(params, codes[:size]).mean() == pytest.approx(expected, rel=1e-5)


def test_the_lecture_s_rule_is_min_char_rnn_s():
    config = char_rnn.PRESETS["lecture"]
    optimizer = make_optimizer(config, 100)
    p, state = {"w": np.float32(1.0)}, optimizer.init({"w": np.float32(1.0)})
    memory = 0.0
    for g in (0.5, -7.0, 3.0):
        clipped = np.clip(g, -5, 5)
        memory += clipped**2
        expected = float(p["w"]) - 0.1 * clipped / np.sqrt(memory + 1e-8)
        updates, state = optimizer.update({"w": np.float32(g)}, state, p)
        p = optax.apply_updates(p, updates)
        assert float(p["w"]) == pytest.approx(expected, rel=1e-6)


def test_karpathy_s_rate_decays_after_the_tenth_pass():
    schedule = make_schedule(char_rnn.PRESETS["karpathy-lstm"], 260)
    rates = [float(schedule(step)) / 2e-3 for step in (0, 10 * 260 - 1, 10 * 260, 12 * 260)]
    assert rates == pytest.approx([1, 1, 0.95, 0.95**3], rel=1e-5)


def test_figures_are_published_for_the_paper_s_own_net_only():
    config = char_rnn.PRESETS["karpathy-gru-128"]
    assert char_rnn.published(config)["test_nats_per_character"].value == 1.23
    assert not char_rnn.published(char_rnn.dataclasses.replace(config, hidden=9))
    assert not char_rnn.published(char_rnn.PRESETS["quick"])
