"""Laws that every form of encoder and decoder meets, and the sizes of published nets."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import translate
from experiments.training.loop import parameter_count
from experiments.translation.net import FORMS, make_model
from nets.attention import attention_weights, contexts, dot_scores
from nets.cells import LSTM
from nets.sentence_convolution import SentenceConvolution
from nets.seq2seq import GlobalDecoder, RecurrentEncoder, SearchDecoder, Seq2Seq

S, T, B, SOURCES, TARGETS = 7, 5, 3, 11, 13
LENGTHS = np.array([7, 3, 1])
MASK = np.arange(S)[:, None] < LENGTHS
pytestmark = pytest.mark.usefixtures("quick_compilation")


def small(form):
    cell = {"kalchbrenner": "rnn_sigmoid", "sutskever": "lstm"}.get(form, "gru")
    layers = 2 if form in ("sutskever", "luong") else 1
    config = translate.Config(form=form, cell=cell, layers=layers, hidden=6, embedding=4, maxout=3)
    return make_model(config, SOURCES, TARGETS)


@pytest.fixture(scope="module", params=FORMS)
def net(request, drawn):
    """A model, its parameters, and sentences."""
    model, random = small(request.param), np.random.default_rng(0)
    params = drawn(model.init)
    xs = random.integers(0, SOURCES, (S, B))
    ys = random.integers(0, TARGETS, (T, B))
    return model, params, jnp.asarray(xs), jnp.asarray(ys)


@functools.partial(jax.jit, static_argnums=0)
def logits_of(model, params, xs, mask, ys):
    memory, carry = model.begin(params, model.encode(params, xs, mask))
    return model.decode(params, memory, carry, ys)[1]


def test_padding_of_the_source_changes_nothing(net):
    model, params, xs, ys = net
    wanted = logits_of(model, params, xs, MASK, ys)
    longer = jnp.concatenate([jnp.where(MASK, xs, 9), jnp.full((4, B), 5)])
    found = logits_of(model, params, longer, np.pad(MASK, ((0, 4), (0, 0))), ys)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    alone = logits_of(model, params, xs[:3, 1:2], MASK[:3, 1:2], ys[:, 1:2])
    np.testing.assert_allclose(alone[:, 0], wanted[:, 1], atol=1e-5)


def test_the_source_matters(net):
    model, params, xs, ys = net
    other = logits_of(model, params, (xs + 1) % SOURCES, MASK, ys)
    assert abs(other - logits_of(model, params, xs, MASK, ys)).min(axis=(0, 2)).max() > 1e-6


def test_one_word_at_a_time_is_teacher_forcing(net):
    model, params, xs, ys = net
    memory, carry = jax.jit(lambda xs: model.begin(params, model.encode(params, xs, MASK)))(xs)
    step = jax.jit(model.decode)
    for wanted, y in zip(logits_of(model, params, xs, MASK, ys), ys, strict=True):
        carry, logits, _ = step(params, memory, carry, y[None])
        np.testing.assert_allclose(logits[0], wanted, atol=1e-5)


def test_no_word_is_seen_before_its_time(net):
    model, params, xs, ys = net
    changed = logits_of(model, params, xs, MASK, ys.at[3].add(1))
    wanted = logits_of(model, params, xs, MASK, ys)
    np.testing.assert_array_equal(changed[:3], wanted[:3])
    assert abs(changed[3:] - wanted[3:]).max() > 1e-4


def test_every_parameter_has_a_gradient(net):
    model, params, xs, ys = net

    def loss(params):
        return jnp.square(logits_of(model, params, xs, MASK, ys)).sum()

    for path, gradient in jax.tree.leaves_with_path(jax.jit(jax.grad(loss))(params)):
        assert abs(gradient).max() > 0, jax.tree_util.keystr(path)


def test_dropout_wants_a_key(net):
    model, params, xs, ys = net
    model = dataclasses.replace(model, rate=0.5)

    @jax.jit
    def drawn(key):
        source = model.encode(params, xs, MASK, key)
        return model.decode(params, *model.begin(params, source), ys, key)[1]

    assert abs(drawn(jax.random.key(0)) - drawn(jax.random.key(1))).max() > 1e-3


# The counts that the open baselines state, PyTorch's second bias vectors among them.
@pytest.mark.parametrize(
    ("preset", "published", "second_biases"),
    [
        ("paper-lstm", 13_898_501, 4 * 4 * 512),
        ("paper-gru", 14_219_781, 2 * 2 * 512),  # d of the candidate is one of the six
        ("paper-attention", 20_518_405, 3 * 2 * 512),
    ],
)
def test_parameter_counts_of_the_open_baselines(preset, published, second_biases):
    model = make_model(translate.PRESETS[preset], 7853, 5893)
    count = parameter_count(jax.eval_shape(model.init, jax.random.key(0)))
    assert count == published - second_biases


def test_attention_by_hand():
    random = np.random.default_rng(0)
    queries, keys = random.normal(size=(T, B, 4)), random.normal(size=(S, B, 4))
    states = np.where(MASK[..., None], random.normal(size=(S, B, 2)), 0)
    weights = attention_weights(dot_scores(queries, keys), MASK)
    context = contexts(weights, states)
    for t in range(T):
        for b in range(B):
            scores = np.exp([queries[t, b] @ keys[s, b] for s in range(LENGTHS[b])])
            wanted = scores / scores.sum()
            np.testing.assert_allclose(weights[t, b, : LENGTHS[b]], wanted, rtol=1e-5)
            assert (weights[t, b, LENGTHS[b] :] == 0).all()
            wanted = wanted @ states[: LENGTHS[b], b]
            np.testing.assert_allclose(context[t, b], wanted, rtol=1e-4, atol=1e-6)


def test_a_source_of_nothing_gives_no_nan():
    weights = attention_weights(jnp.ones((T, B, S)), np.zeros((S, B), bool))
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("decoder", [SearchDecoder(LSTM(6), 5), GlobalDecoder((LSTM(6),))])
def test_attention_over_lstms(decoder, drawn):
    model = Seq2Seq(RecurrentEncoder((LSTM(6),)), decoder, SOURCES, TARGETS, 4)

    @jax.jit
    def decoded(params):
        memory, carry = model.begin(params, model.encode(params, jnp.zeros((S, B), int), MASK))
        return model.decode(params, memory, carry, jnp.zeros((T, B), int))

    _, logits, weights = decoded(drawn(model.init))
    assert logits.shape == (T, B, TARGETS)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)


def vector_by_hand(params, columns):
    """The sentence model of one sentence [m, D], layer by layer in NumPy."""
    width = 2
    while len(columns) > 1:
        if len(columns) >= width:
            kernel = params["kernels"][width - 2][:width]
            steps = range(len(columns) - width + 1)
            columns = np.tanh([(kernel * columns[s : s + width]).sum(0) for s in steps])
        else:
            rest = params["rests"][len(columns) - 2][: len(columns)]
            columns = np.tanh([(rest * columns).sum(0)])
        width += 1
    return columns[0]


vector_of = jax.jit(SentenceConvolution.vector, static_argnums=0)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 11])
def test_the_sentence_model_by_hand(length, drawn):
    model, random = SentenceConvolution(widest=5), np.random.default_rng(length)
    assert model.longest == 11
    params = drawn(model.init, 3)
    xs = random.normal(size=(13, 2, 3))
    mask = np.arange(13)[:, None] < [length, 0]
    found = vector_of(model, params, np.where(mask[..., None], xs, 0), mask)
    wanted = vector_by_hand(params, xs[:length, 0])
    np.testing.assert_allclose(found[0], wanted, rtol=1e-4, atol=1e-6)
    assert (found[1] == 0).all()
