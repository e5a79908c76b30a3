"""From a decoder's step to a whole sequence: beam search, greedy search, and drawing at random.

A step is `step(carry, symbols [B]) -> carry, logits [B, V]`, the one that training unrolls. A
sequence ends with the symbol `end`. Its probability is that of all its symbols, the end included:
at its limit nothing but the end may follow, so that what comes out is always a whole sequence.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from .language_model import choose
from .masks import hold


class Beams(NamedTuple):
    """The K best sequences of each of B sentences, the best first."""

    symbols: jax.Array  # int32 [B, K, T], `end` from the end on
    log_p: jax.Array  # [B, K]; -inf where there are fewer than K sequences
    scores: jax.Array  # [B, K]: log_p / length^power, the length with its end


def beam_search(step, carry, *, begin, end, limits, length, beam, power=0.0):
    """The likeliest sequences that a beam finds (Graves 2012; Sutskever, Vinyals, Le 2014).

    Each step extends the live sequences by every symbol and keeps the best. One that ends is
    complete, and from then on the beam of the others is narrower by one. A beam of 1 is greedy
    search; one as wide as there are sequences is exhaustive. A sentence's result is its own: it
    does not depend on the others of the batch.

    Args:
      step: see above; it is mapped over the K sequences, so that what it reads of the source is
        there once for all of them.
      carry: the first one, leaves [B, ...].
      begin, end: symbols; `begin` is what the step reads first.
      limits: int [B], the most symbols of each sentence's sequences, the end included; >= 1.
      length: T, the most of all limits.
      beam: K.
      power: of the length, by which log-probabilities are divided before the last comparison; 0
        compares them as they are.

    Returns:
      Beams.
    """
    batch = len(limits)
    steps = jax.vmap(step, in_axes=1, out_axes=1)
    carry = jax.tree.map(lambda c: jnp.repeat(c[:, None], beam, axis=1), carry)  # [B, K, ...]
    places = jnp.arange(batch)[:, None]
    first = (
        0,
        carry,
        jnp.full((batch, beam), begin, jnp.int32),
        jnp.full((batch, beam, length), end, jnp.int32),
        jnp.where(jnp.arange(beam) == 0, 0.0, -jnp.inf) * jnp.ones((batch, 1)),
        jnp.zeros((batch, beam), bool),
        jnp.zeros((batch, beam), jnp.int32),
    )

    def unfinished(state):
        t, _, _, _, log_p, done, _ = state
        return (t < length) & jnp.any(~done & (log_p > -jnp.inf))

    def extended(state):
        t, carry, last, symbols, log_p, done, lengths = state
        carry, logits = steps(carry, last)
        candidates = _candidates(jax.nn.log_softmax(logits), log_p, done, t + 1 >= limits, end)
        count = candidates.shape[-1]
        # an ended sequence has one candidate, itself, which nothing displaces
        rank = jnp.where(done[..., None] & (candidates > -jnp.inf), jnp.inf, candidates)
        chosen = lax.top_k(rank.reshape(batch, -1), beam)[1]  # [B, K]
        parent, symbol = chosen // count, (chosen % count).astype(jnp.int32)
        log_p = candidates.reshape(batch, -1)[places, chosen]
        was_done = done[places, parent]
        symbols = symbols[places, parent].at[:, :, t].set(symbol)
        lengths = lengths[places, parent] + ~was_done
        carry = jax.tree.map(lambda c: c[places, parent], carry)
        return t + 1, carry, symbol, symbols, log_p, was_done | (symbol == end), lengths

    _, _, _, symbols, log_p, _, lengths = lax.while_loop(unfinished, extended, first)
    scores = log_p / lengths.astype(log_p.dtype) ** power
    order = jnp.argsort(scores, axis=1, descending=True, stable=True)
    return Beams(symbols[places, order], log_p[places, order], scores[places, order])


def _candidates(log_softmax, log_p, done, at_limit, end):
    """log p of every live sequence with every next symbol, [B, K, V].

    What has ended goes on with `end` alone, at no cost.
    """
    ending = jnp.arange(log_softmax.shape[-1]) == end
    new = log_p[..., None] + log_softmax
    new = jnp.where(at_limit[:, None, None] & ~ending, -jnp.inf, new)
    same = jnp.where(ending, log_p[..., None], -jnp.inf)
    return jnp.where(done[..., None], same, new)


def draw(step, carry, key, *, begin, end, limits, length, choice):
    """A sequence for each sentence, symbol by symbol: int32 [B, T], `end` from the end on.

    `choice` says how a symbol is chosen; `Choice(temperature=0)` is greedy search. The other
    arguments are those of `beam_search`.
    """
    batch = len(limits)

    def one(state, inputs):
        carry, last, done = state
        key, t = inputs
        new, logits = step(carry, last)
        symbol = jax.vmap(choose, (0, 0, None))(jax.random.split(key, batch), logits, choice)
        symbol = jnp.where(done | (t + 1 >= limits), end, symbol).astype(jnp.int32)
        return (hold(~done, new, carry), symbol, done | (symbol == end)), symbol

    first = carry, jnp.full(batch, begin, jnp.int32), jnp.zeros(batch, bool)
    _, symbols = lax.scan(one, first, (jax.random.split(key, length), jnp.arange(length)))
    return symbols.T
