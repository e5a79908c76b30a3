"""The language model: its sizes, its probabilities, what it writes, and looking inside it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from experiments.char_rnn import BUDGETS, PRESETS
from experiments.language.net import make_model
from experiments.language.running_text import make_surprisals
from experiments.training.first_parameters import first_parameters
from experiments.training.loop import parameter_count
from nets.cells import GRU, LSTM, RNN
from nets.inspection import Watched, gradient_by_distance, spectral_radius
from nets.language_model import Choice, Dropout, LanguageModel, choose, generate
from nets.unroll import unroll

pytestmark = pytest.mark.usefixtures("quick_compilation")
SMALL = LanguageModel((LSTM(5), GRU(4)), symbols=7, embedding=3)
logits_of = jax.jit(LanguageModel.logits, static_argnums=0)
SURPRISALS = make_surprisals(SMALL)


def first_key():
    return jax.random.key(0)


@pytest.fixture(scope="module")
def small(drawn):
    return drawn(SMALL.init)


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
    model = make_model(PRESETS[preset], symbols)
    assert parameter_count(jax.eval_shape(model.init, first_key())) == count


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_sizes_are_the_largest_within_the_lstm_s_parameters(budget, cell):
    def count(cell, hidden):
        cells = {"lstm": LSTM, "gru": GRU, "rnn": RNN}[cell](hidden)
        return parameter_count(jax.eval_shape(LanguageModel((cells,), 87).init, first_key()))

    wanted, hidden = count("lstm", budget), BUDGETS[budget][cell]
    assert count(cell, hidden) <= wanted < count(cell, hidden + 1)


def test_one_text_is_its_windows_in_turn(small):
    xs = np.random.default_rng(1).integers(0, 7, (9, 2))
    whole_carry, whole = logits_of(SMALL, small, xs, SMALL.carry(2))
    carry, early = logits_of(SMALL, small, xs[:4], SMALL.carry(2))
    carry, late = logits_of(SMALL, small, xs[4:], carry)
    np.testing.assert_allclose(np.concatenate([early, late]), whole, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), carry, whole_carry)


@pytest.mark.parametrize("size", [2, 500, 501, 502, 730])
def test_the_mean_surprisal_is_of_every_symbol_but_the_first(small, size):
    codes = np.random.default_rng(0).integers(0, 7, 730).astype(np.int32)
    _, logits = logits_of(SMALL, small, codes[:-1, None], SMALL.carry(1))
    wanted = -log_softmax(logits[:, 0], -1)[np.arange(size - 1), codes[1:size]].mean()
    assert SURPRISALS(small, codes[:size]).mean() == pytest.approx(wanted, rel=1e-5)


def test_dropout_needs_a_key_and_keeps_the_mean():
    model = LanguageModel((RNN(400),), symbols=5, dropout=Dropout(0.5))
    params, xs = jax.jit(model.init)(first_key()), np.zeros((3, 1), np.int32)
    plain = logits_of(model, params, xs, model.carry(1))[1]
    draws = [logits_of(model, params, xs, model.carry(1), jax.random.key(i))[1] for i in range(40)]
    assert not np.allclose(draws[0], draws[1])
    np.testing.assert_allclose(np.mean(draws, 0), plain, atol=0.35)


def test_one_draw_of_units_serves_all_steps_and_all_gates(drawn):
    rates = Dropout(0.5, same_each_step=True)
    model = LanguageModel((RNN(9),), symbols=5, embedding=4, dropout=rates, tied=False)
    params = drawn(model.init)
    params["output"] = {"weights": np.eye(9, 5), "bias": np.zeros(5)}
    xs = np.zeros((6, 8), np.int32)
    zero = np.asarray(logits_of(model, params, xs, model.carry(8), jax.random.key(1))[1]) == 0
    assert (zero == zero[0]).all() and 0 < zero.mean() < 1


def test_the_recurrence_and_the_alphabet_lose_what_is_drawn(drawn):
    model = LanguageModel((LSTM(40),), 50, 40, Dropout(recurrent=0.5, symbols=0.5), tied=True)
    params = drawn(model.init)
    thin = jax.jit(lambda key: model._with_dropout(params, key)[0])(jax.random.key(2))
    rows = [np.asarray(thin["layers"][0][gate]["h"] == 0).all(1) for gate in LSTM.gates]
    assert 10 < rows[0].sum() < 30 and all((row == rows[0]).all() for row in rows)
    kept = ~rows[0]
    np.testing.assert_allclose(
        thin["layers"][0]["cell"]["h"][kept], 2 * params["layers"][0]["cell"]["h"][kept]
    )
    gone = np.asarray(thin["embedding"] == 0).all(1)
    assert 12 < gone.sum() < 38
    # a word without a vector can still be predicted: the output's weights are whole
    xs = np.flatnonzero(gone)[:1, None]
    _, logits = logits_of(model, params, xs, model.carry(1), jax.random.key(2))
    assert np.isfinite(logits).all() and len(np.unique(logits[0, 0])) > 40


def test_tied_weights_are_the_embedding_s(drawn):
    model = LanguageModel((RNN(4),), symbols=6, embedding=4, tied=True)
    params = drawn(model.init)
    assert set(params["output"]) == {"bias"}
    free = LanguageModel((RNN(4),), symbols=6, embedding=4)
    copy = {**params, "output": {**params["output"], "weights": params["embedding"].T}}
    xs = np.array([[1, 2], [3, 4], [5, 0]])
    tied = logits_of(model, params, xs, model.carry(2))[1]
    np.testing.assert_allclose(tied, logits_of(free, copy, xs, free.carry(2))[1], atol=1e-6)


@pytest.mark.parametrize(
    "rates", [Dropout(), Dropout(0.3, True, 0.2, 0.2)], ids=["plain", "dropout"]
)
def test_a_checkpointed_model_has_the_same_gradients(rates, drawn):
    """17 steps are chunks of 4 and one more; the carry and the dropout go through them all."""
    plain = LanguageModel((LSTM(5), GRU(4)), symbols=7, embedding=3, dropout=rates)
    saving = dataclasses.replace(plain, checkpointed=True)
    params = drawn(plain.init)
    xs = np.random.default_rng(2).integers(0, 7, (17, 3))

    @functools.partial(jax.jit, static_argnums=0)
    def gradients(model, params, carry):
        key = jax.random.key(1) if rates.outputs else None

        def loss(params, carry):
            carry, logits = model.logits(params, xs, carry, key)
            return jax.nn.logsumexp(logits, -1).sum(), (carry, logits)

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, carry)

    carry = jax.tree.map(lambda c: c + 0.3, plain.carry(3))
    wanted, found = (gradients(model, params, carry) for model in (plain, saving))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), found, wanted)
    assert "remat" in str(jax.make_jaxpr(gradients, static_argnums=0)(saving, params, carry))


def test_generation_feeds_back_what_it_wrote(small):
    prime = jnp.array([3, 1])
    written = generate(SMALL, small, prime, first_key(), 6, Choice(temperature=0))
    text = np.concatenate([prime, written])
    _, logits = logits_of(SMALL, small, text[:-1, None], SMALL.carry(1))
    assert (np.asarray(logits)[1:, 0].argmax(-1) == written).all()


@functools.partial(jax.jit, static_argnames="choice")
def choices(keys, logits, choice):
    return jax.vmap(lambda key: choose(key, logits, choice))(keys)


def chosen(logits, choice, count=400):
    keys = jax.random.split(first_key(), count)
    return set(np.asarray(choices(keys, logits, choice=choice)))


def test_choices():
    logits = np.log([0.4, 0.3, 0.2, 0.1])
    assert chosen(logits, Choice()) == {0, 1, 2, 3}
    assert chosen(logits, Choice(temperature=0)) == {0}
    assert chosen(logits, Choice(top_k=2)) == {0, 1}
    assert chosen(logits, Choice(top_k=9)) == {0, 1, 2, 3}
    assert chosen(logits, Choice(top_p=0.65)) == {0, 1}
    assert chosen(logits, Choice(top_p=1e-6)) == {0}


def test_first_parameters_are_drawn_as_asked():
    config = PRESETS["karpathy-lstm"]
    params = jax.jit(lambda: first_parameters(config, make_model(config, 87), seed=0))()
    forget = params["layers"][0]["forget"]
    assert abs(forget["b"] - 1).max() <= 0.08 and abs(forget["h"]).max() <= 0.08
    assert abs(params["output"]["bias"]).max() > 0
    config = PRESETS["lecture"]
    params = jax.jit(lambda: first_parameters(config, make_model(config, 84), seed=0))()
    assert params["layers"][0]["hidden"]["h"].std() == pytest.approx(0.01, rel=0.05)
    assert (params["layers"][0]["hidden"]["b"] == 0).all()


@pytest.mark.parametrize("cell", [RNN(4), LSTM(4, peepholes=True), GRU(4), GRU(4, True)])
def test_a_watched_cell_goes_the_same_way(cell, drawn):
    params = drawn(cell.init, 3)
    xs = np.random.default_rng(1).normal(size=(6, 2, 3)).astype(np.float32)
    last, ys = jax.jit(lambda: unroll(cell, params, xs))()
    watched, (carries, _) = jax.jit(lambda: unroll(Watched(cell), params, xs, cell.carry(2)))()
    outputs = carries.h if isinstance(cell, LSTM) else carries
    np.testing.assert_allclose(outputs, ys, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), watched, last)


def test_the_gradient_of_a_linear_net_is_a_power_of_its_weights():
    cell = RNN(3, activation=lambda a: a)
    weights = 0.5 * jnp.eye(3)
    params = {"hidden": {"x": jnp.ones((2, 3)), "h": weights, "b": jnp.zeros(3)}}
    norms = gradient_by_distance(cell, params, jnp.ones((5, 4, 2)), jnp.array([1.0, 0, 0]))
    np.testing.assert_allclose(norms, 0.5 ** np.arange(1, 6), rtol=1e-6)
    assert spectral_radius(weights) == pytest.approx(0.5)
