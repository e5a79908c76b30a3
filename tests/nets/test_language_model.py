"""The language model: its sizes, its probabilities, its dropout, and what it generates."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.cells import GRU, LSTM, RNN
from nets.language_model import Choice, Dropout, LanguageModel, choose, generate

pytestmark = pytest.mark.usefixtures("quick_compilation")
SMALL = LanguageModel((LSTM(5), GRU(4)), symbols=7, embedding=3)
logits_of = jax.jit(LanguageModel.logits, static_argnums=0)


def first_key():
    return jax.random.key(0)


@pytest.fixture(scope="module")
def small(drawn):
    return drawn(SMALL.init)


def count(model):
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(model.init, first_key())))


def test_parameters_of_each_layer():
    lstm, gru = 4 * 5 * (3 + 5 + 1), 3 * 4 * (5 + 4 + 1)
    assert count(SMALL) == 7 * 3 + lstm + gru + (4 + 1) * 7
    assert count(dataclasses.replace(SMALL, embedding=0)) == lstm + 4 * 5 * 4 + gru + (4 + 1) * 7
    tied = LanguageModel((LSTM(5),), symbols=7, embedding=5, tied=True)
    assert count(tied) == 7 * 5 + 4 * 5 * 11 + 7  # the output has a bias of its own alone


def test_one_text_is_its_windows_in_turn(small):
    xs = np.random.default_rng(1).integers(0, 7, (9, 2))
    whole_carry, whole = logits_of(SMALL, small, xs, SMALL.carry(2))
    carry, early = logits_of(SMALL, small, xs[:4], SMALL.carry(2))
    carry, late = logits_of(SMALL, small, xs[4:], carry)
    np.testing.assert_allclose(np.concatenate([early, late]), whole, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), carry, whole_carry)


def test_dropout_needs_a_key_and_keeps_the_mean():
    model = LanguageModel((RNN(400),), symbols=5, dropout=Dropout(0.5))
    params, xs = jax.jit(model.init)(first_key()), np.zeros((3, 1), np.int32)
    plain = logits_of(model, params, xs, model.carry(1))[1]
    draws = [logits_of(model, params, xs, model.carry(1), jax.random.key(i))[1] for i in range(40)]
    assert not np.allclose(draws[0], draws[1])
    np.testing.assert_allclose(np.mean(draws, 0), plain, atol=0.35)


def test_one_mask_serves_all_steps(drawn):
    rates = Dropout(0.5, same_each_step=True)
    model = LanguageModel((RNN(9),), symbols=5, embedding=4, dropout=rates, tied=False)
    params = drawn(model.init)
    params["output"] = {"weights": np.eye(9, 5), "bias": np.zeros(5)}
    xs = np.zeros((6, 8), np.int32)
    zero = np.asarray(logits_of(model, params, xs, model.carry(8), jax.random.key(1))[1]) == 0
    assert (zero == zero[0]).all() and 0 < zero.mean() < 1


def test_dropout_of_recurrent_units_and_of_symbols(drawn):
    model = LanguageModel((LSTM(40),), 50, 40, Dropout(recurrent=0.5, symbols=0.5), tied=True)
    params = drawn(model.init)
    dropped = jax.jit(lambda key: model._with_dropout(params, key)[0])(jax.random.key(2))
    rows = [np.asarray(dropped["layers"][0][gate]["h"] == 0).all(1) for gate in LSTM.gates]
    assert 10 < rows[0].sum() < 30 and all((row == rows[0]).all() for row in rows)
    kept = ~rows[0]
    np.testing.assert_allclose(
        dropped["layers"][0]["cell"]["h"][kept], 2 * params["layers"][0]["cell"]["h"][kept]
    )
    without = np.asarray(dropped["embedding"] == 0).all(1)
    assert 12 < without.sum() < 38
    # a dropped symbol can still be predicted: the output's weights are left as they are
    xs = np.flatnonzero(without)[:1, None]
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


def test_generation_feeds_each_symbol_back(small):
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


@pytest.fixture(scope="module")
def sharp_logits():
    """Logits [4000, 40] of a net that is sure of itself, never of symbol 0, over its own inputs.

    Its symbols come in pairs that are always equally likely.
    """
    model = LanguageModel((GRU(24),), symbols=40)
    random = np.random.default_rng(3)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(random.normal(size=leaf.shape), jnp.float32),
        jax.eval_shape(model.init, first_key()),
    )
    pairs = np.repeat(8 * random.normal(size=(24, 20)), 2, axis=1)
    bias = np.where(np.arange(40) < 2, -200.0, 0.0)
    params["output"] = {"weights": jnp.float32(pairs), "bias": jnp.float32(bias)}
    xs = random.integers(0, 40, (4000, 1))
    return logits_of(model, params, xs, model.carry(1))[1][:, 0]


GREEDY = {
    "temperature": Choice(temperature=0),
    "top_p": Choice(top_p=1e-6),
    "top_p of 0": Choice(top_p=0.0),
    "top_k": Choice(top_k=1),
    "both": Choice(temperature=0.7, top_k=5, top_p=1e-6),
}


@pytest.mark.parametrize("choice", GREEDY.values(), ids=GREEDY)
def test_a_nucleus_of_one_symbol_is_the_likeliest(choice, sharp_logits):
    """At each of 4,000 steps the one that temperature 0 takes; of equally likely ones the first."""
    keys = jax.random.split(first_key(), len(sharp_logits))
    wanted = sharp_logits.argmax(1)
    assert len(np.unique(wanted)) > 10 and wanted.min() > 0 and not (wanted % 2).any()
    found = jax.jit(jax.vmap(functools.partial(choose, choice=choice)))(keys, sharp_logits)
    np.testing.assert_array_equal(found, wanted)


def test_the_nucleus_is_never_empty():
    """Logits of all scales, in which symbol 0 is the least likely: it is never chosen."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(3000, 60)) * 10 ** random.uniform(-3, 2, (3000, 1))
    logits[:, 0] = logits.min(1) - 1
    rows = np.float32(logits)
    for p in (1e-6, 0.01, 0.3):
        choose_all = jax.jit(jax.vmap(functools.partial(choose, choice=Choice(top_p=p))))
        found = np.asarray(choose_all(jax.random.split(first_key(), len(rows)), rows))
        probabilities = np.exp(rows - rows.max(1, keepdims=True), dtype=np.float64)
        probabilities /= probabilities.sum(1, keepdims=True)
        mine = probabilities[np.arange(len(rows)), found]
        likelier = np.where(probabilities > mine[:, None], probabilities, 0).sum(1)
        assert (found > 0).all() and (likelier < p + 1e-6).all()


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-38, 1e-45, 1e-320])
@pytest.mark.parametrize("further", [{}, {"top_p": 0.9}, {"top_k": 2}])
def test_a_very_low_temperature_takes_the_likeliest(temperature, further):
    """Even where logits / temperature is beyond all numbers, and the temperature a denormal."""
    choice = Choice(temperature=temperature, **further)
    for logits in ([-50.0, 3.0, 80.0, -1e30], [-1.0, 0.0, 1.0, 0.5], [-3e38, 0.0, 3e38, 0.0]):
        assert chosen(np.array(logits), choice, 50) == {2}


@pytest.mark.parametrize("temperature", [1e30, 1e300])
def test_a_very_high_temperature_takes_all_alike(temperature):
    logits = np.array([-50.0, 3.0, 80.0, 0.0])
    assert chosen(logits, Choice(temperature=temperature)) == {0, 1, 2, 3}
    assert chosen(logits, Choice(temperature=temperature, top_k=3)) == {1, 2, 3}


@pytest.mark.parametrize("temperature", [0.3, 0.7, 1.0, 2.5])
def test_symbols_have_the_frequencies_of_the_softmax(temperature):
    logits = np.log([0.1, 0.4, 0.2, 0.3])
    p = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    best = p * (p >= 0.9999 * p[3])  # the two likeliest, which `top_p` reaches with the second
    for top_p, wanted in ((1.0, p), (p[1] + p[3] / 2, best / best.sum())):
        keys = jax.random.split(first_key(), 20_000)
        found = choices(keys, logits, Choice(temperature, top_p=float(top_p)))
        np.testing.assert_allclose(np.bincount(found, minlength=4) / 20_000, wanted, atol=0.015)


def test_choices():
    logits = np.log([0.4, 0.3, 0.2, 0.1])
    assert chosen(logits, Choice()) == {0, 1, 2, 3}
    assert chosen(logits, Choice(temperature=0)) == {0}
    assert chosen(logits, Choice(top_k=2)) == {0, 1}
    assert chosen(logits, Choice(top_k=9)) == {0, 1, 2, 3}
    assert chosen(logits, Choice(top_p=0.65)) == {0, 1}
    assert chosen(logits, Choice(top_p=1e-6)) == {0}
