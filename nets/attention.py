"""Attention: weights over the source's states, and the contexts that they average to.

    e_ts = score(query_t, key_s)
    w_t  = softmax over s of e_t                  padding gets no weight
    c_t  = sum_s w_ts state_s                     the context

S source steps, T queries, B sentences. States at padding are 0.
"""

import jax
import jax.numpy as jnp

MASKED = -1e30  # the score at padding; finite, so that a source of padding alone gives no NaN


def attention_weights(scores: jax.Array, mask: jax.Array) -> jax.Array:
    """Weights [T, B, S] from scores [T, B, S] and the source's mask [S, B]."""
    return jax.nn.softmax(jnp.where(mask.T, scores, MASKED), axis=-1)


def contexts(weights: jax.Array, states: jax.Array) -> jax.Array:
    """Contexts [T, B, A] from weights [T, B, S] and states [S, B, A]."""
    return jnp.einsum("tbs,sba->tba", weights, states)


def dot_scores(queries: jax.Array, keys: jax.Array) -> jax.Array:
    """Luong et al. 2015: e_ts = q_t . k_s, for queries [T, B, H] and keys [S, B, H]: [T, B, S].

    With keys W a_s this is their "general" score.
    """
    return jnp.einsum("tbh,sbh->tbs", queries, keys)


def additive_scores(query: jax.Array, keys: jax.Array, v: jax.Array) -> jax.Array:
    """Bahdanau et al. 2015: e_s = v . tanh(q + k_s), [B, S] from a query [B, K], keys [S, B, K].

    The query is W h; the keys are U a_s + b, computed once for all steps.
    """
    return jnp.einsum("sbk,k->bs", jnp.tanh(query + keys), v)
