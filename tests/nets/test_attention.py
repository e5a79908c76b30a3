"""Attention by its sums, one query and one sentence at a time, and what padding gets."""

import jax.numpy as jnp
import numpy as np
import pytest

from nets.attention import additive_scores, attention_weights, contexts, dot_scores

S, T, B = 7, 5, 3
LENGTHS = np.array([7, 3, 1])
MASK = np.arange(S)[:, None] < LENGTHS

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_weights_and_contexts_by_hand():
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


def test_a_source_of_padding_alone_gives_no_nan():
    weights = attention_weights(jnp.ones((T, B, S)), np.zeros((S, B), bool))
    assert np.isfinite(weights).all()


def test_additive_scores_by_hand():
    random = np.random.default_rng(1)
    query, keys = random.normal(size=(B, 4)), random.normal(size=(S, B, 4))
    v = random.normal(size=4)
    scores = additive_scores(query, keys, v)
    for b in range(B):
        for s in range(S):
            wanted = v @ np.tanh(query[b] + keys[s, b])
            np.testing.assert_allclose(scores[b, s], wanted, rtol=1e-4, atol=1e-6)
