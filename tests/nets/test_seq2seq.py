"""Laws that every form of encoder and decoder meets."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.cells import GRU, LSTM, RNN
from nets.seq2seq import (
    BidirectionalEncoder,
    ContextDecoder,
    ConvolutionalEncoder,
    GlobalDecoder,
    RecurrentEncoder,
    SearchDecoder,
    Seq2Seq,
    StateDecoder,
)

S, T, B, SOURCES, TARGETS = 7, 5, 3, 11, 13
LENGTHS = np.array([7, 3, 1])
MASK = np.arange(S)[:, None] < LENGTHS
pytestmark = pytest.mark.usefixtures("quick_compilation")


ONE, TWO, LSTMS = (GRU(6),), (GRU(6), GRU(6)), (LSTM(6), LSTM(6))
FORMS = {
    "sutskever": (RecurrentEncoder(LSTMS), StateDecoder(LSTMS)),
    "cho": (RecurrentEncoder(ONE), ContextDecoder(GRU(6))),
    "cho, v is h_0": (RecurrentEncoder(ONE), ContextDecoder(GRU(6), "v")),
    "kalchbrenner": (ConvolutionalEncoder(4),
                     ContextDecoder(RNN(6, jax.nn.sigmoid), "zero", deep=False)),
    "bahdanau": (BidirectionalEncoder(ONE), SearchDecoder(GRU(6), 6)),
    "luong": (BidirectionalEncoder(TWO), GlobalDecoder(TWO)),
}  # fmt: skip


@pytest.fixture(scope="module", params=FORMS.values(), ids=FORMS)
def net(request, drawn):
    """A model, its parameters, and sentences."""
    model = Seq2Seq(*request.param, SOURCES, TARGETS, embedding=4, maxout=3)
    random = np.random.default_rng(0)
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


def test_dropout_depends_on_the_key(net):
    model, params, xs, ys = net
    model = dataclasses.replace(model, rate=0.5)

    @jax.jit
    def drawn(key):
        source = model.encode(params, xs, MASK, key)
        return model.decode(params, *model.begin(params, source), ys, key)[1]

    assert abs(drawn(jax.random.key(0)) - drawn(jax.random.key(1))).max() > 1e-3


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


def test_attention_needs_a_state_for_each_word(drawn):
    model = Seq2Seq(ConvolutionalEncoder(4), SearchDecoder(GRU(6), 5), SOURCES, TARGETS, 4)
    params = drawn(model.init)
    with pytest.raises(TypeError, match="a state for each word"):
        model.begin(params, model.encode(params, jnp.zeros((S, B), int), MASK))
