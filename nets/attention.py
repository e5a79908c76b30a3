"""Attention: where in the source to look, and what is seen there.

    e_ts = score(query_t, key_s)
    w_t  = softmax over s of e_t                  padding has no weight
    c_t  = sum_s w_ts state_s                     the context

S source steps, T queries, B sentences. The states are 0 at padding.
"""

import jax
import jax.numpy as jnp

FAR_BELOW = -1e30  # of a score at padding; finite, so that a row of nothing else gives no NaN


def looked_at(scores, mask):
    """Weights [T, B, S] of scores [T, B, S] by the source's mask [S, B]."""
    return jax.nn.softmax(jnp.where(mask.T, scores, FAR_BELOW), axis=-1)


def seen(weights, states):
    """Contexts [T, B, A] of weights [T, B, S] over states [S, B, A]."""
    return jnp.einsum("tbs,sba->tba", weights, states)


def dot_scores(queries, keys):
    """Luong et al. 2015: e_ts = q_t . k_s, for queries [T, B, H] and keys [S, B, H]: [T, B, S].

    With keys W a_s this is their "general" score.
    """
    return jnp.einsum("tbh,sbh->tbs", queries, keys)


def additive_scores(query, keys, v):
    """Bahdanau et al. 2015: e_s = v . tanh(q + k_s), [B, S] of a query [B, K] and keys [S, B, K].

    The query is W h and the keys are U a_s + b, made once for all steps.
    """
    return jnp.einsum("sbk,k->bs", jnp.tanh(query + keys), v)
