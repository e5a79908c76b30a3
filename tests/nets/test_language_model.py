"""The language model: its sizes, its probabilities, what it writes, and looking inside it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.char_rnn import BUDGETS, PRESETS
from experiments.char_rnn_net import first_parameters, make_model
from experiments.results import parameter_count
from experiments.running_text import make_mean_surprise
from nets.cells import GRU, LSTM, RNN
from nets.inspection import Watched, gradient_by_distance, spectral_radius
from nets.language_model import Choice, LanguageModel, choose, generate
from nets.unroll import unroll

pytestmark = pytest.mark.usefixtures("quick_compilation")
SMALL = LanguageModel((LSTM(5), GRU(4)), symbols=7, embedding=3)


def first_key():
    return jax.random.key(0)


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


def test_one_text_is_its_windows_in_turn():
    params = SMALL.init(first_key())
    xs = jax.random.randint(jax.random.key(1), (9, 2), 0, 7)
    whole_carry, whole = SMALL.logits(params, xs, SMALL.carry(2))
    carry, early = SMALL.logits(params, xs[:4], SMALL.carry(2))
    carry, late = SMALL.logits(params, xs[4:], carry)
    np.testing.assert_allclose(jnp.concatenate([early, late]), whole, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), carry, whole_carry)


@pytest.mark.parametrize("size", [2, 500, 501, 502, 730])
def test_the_mean_surprise_is_of_every_symbol_but_the_first(size):
    params = SMALL.init(first_key())
    codes = np.random.default_rng(0).integers(0, 7, size).astype(np.int32)
    _, logits = SMALL.logits(params, codes[:-1, None], SMALL.carry(1))
    wanted = -jax.nn.log_softmax(logits[:, 0])[np.arange(size - 1), codes[1:]].mean()
    assert make_mean_surprise(SMALL)(params, codes) == pytest.approx(float(wanted), rel=1e-5)


def test_dropout_needs_a_key_and_keeps_the_mean():
    model = LanguageModel((RNN(400),), symbols=5, rate=0.5)
    params, xs = model.init(first_key()), jnp.zeros((3, 1), jnp.int32)
    plain = model.logits(params, xs, model.carry(1))[1]
    draws = [model.logits(params, xs, model.carry(1), jax.random.key(i))[1] for i in range(40)]
    assert not np.allclose(draws[0], draws[1])
    np.testing.assert_allclose(np.mean(draws, 0), plain, atol=0.35)


def test_generation_feeds_back_what_it_wrote():
    params, prime = SMALL.init(first_key()), jnp.array([3, 1])
    written = generate(SMALL, params, prime, first_key(), 6, Choice(temperature=0))
    text = jnp.concatenate([prime, written])
    _, logits = SMALL.logits(params, text[:-1, None], SMALL.carry(1))
    assert (logits[1:, 0].argmax(-1) == written).all()


def drawn(logits, choice, count=400):
    keys = jax.random.split(first_key(), count)
    return set(np.asarray(jax.vmap(lambda k: choose(k, jnp.asarray(logits), choice))(keys)))


def test_choices():
    logits = np.log([0.4, 0.3, 0.2, 0.1])
    assert drawn(logits, Choice()) == {0, 1, 2, 3}
    assert drawn(logits, Choice(temperature=0)) == {0}
    assert drawn(logits, Choice(top_k=2)) == {0, 1}
    assert drawn(logits, Choice(top_k=9)) == {0, 1, 2, 3}
    assert drawn(logits, Choice(top_p=0.65)) == {0, 1}
    assert drawn(logits, Choice(top_p=1e-6)) == {0}


def test_first_parameters_are_drawn_as_asked():
    config = PRESETS["karpathy-lstm"]
    params = first_parameters(config, make_model(config, 87), seed=0)
    forget = params["layers"][0]["forget"]
    assert abs(forget["b"] - 1).max() <= 0.08 and abs(forget["h"]).max() <= 0.08
    assert abs(params["output"]["bias"]).max() > 0
    config = PRESETS["lecture"]
    params = first_parameters(config, make_model(config, 84), seed=0)
    assert params["layers"][0]["hidden"]["h"].std() == pytest.approx(0.01, rel=0.05)
    assert (params["layers"][0]["hidden"]["b"] == 0).all()


@pytest.mark.parametrize("cell", [RNN(4), LSTM(4, peepholes=True), GRU(4), GRU(4, True)])
def test_a_watched_cell_goes_the_same_way(cell):
    params, xs = cell.init(first_key(), 3), jax.random.normal(first_key(), (6, 2, 3))
    last, ys = unroll(cell, params, xs)
    watched, (carries, _) = unroll(Watched(cell), params, xs, cell.carry(2))
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
