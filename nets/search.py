"""From a decoder's step to a whole sequence: beam search, greedy search, and sampling.

A step is `step(carry, symbols [B]) -> carry, logits [B, V]`, the one that training unrolls. A
sequence ends with the symbol `end`. Its probability is that of all its symbols, `end` included. At
the limit of its length only `end` may follow, so that every result is a whole sequence.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from .language_model import Choice, choose
from .masks import hold

Step = Callable[[Any, jax.Array], tuple[Any, jax.Array]]


class Beams(NamedTuple):
    """The K best sequences of each of B sentences, the best first."""

    symbols: jax.Array  # int32 [B, K, T], `end` from the end on
    log_p: jax.Array  # [B, K]; -inf where there are fewer than K sequences
    scores: jax.Array  # [B, K]: log_p / length^power, the length with its end


def beam_search(
    step: Step,
    carry: Any,
    *,
    begin: int,
    end: int,
    limits: jax.Array,
    length: int,
    beam: int,
    power: float = 0.0,
) -> Beams:
    """The likeliest sequences that a beam finds (Graves 2012; Sutskever, Vinyals, Le 2014).

    Each step extends the unfinished sequences by every symbol and keeps the best. A sequence that
    has ended keeps its place, so that the beam for the others is narrower by one. A beam of 1 is
    greedy search; one as wide as the number of sequences is exhaustive. The result for a sentence
    does not depend on the others of the batch.

    Args:
      step: see above; it is mapped over the K sequences, which share what it reads of the source.
      carry: the first one, leaves [B, ...].
      begin, end: symbols; `begin` is what the step reads first.
      limits: int [B], the maximum number of symbols for each sentence, `end` included; >= 1.
      length: T, the largest of the limits.
      beam: K.
      power: log-probabilities are divided by length^power for the final ranking; 0 ranks them as
        they are.
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
        # a sequence that has ended has one candidate, itself, which nothing displaces
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
    """log p of every sequence with every next symbol, [B, K, V].

    A sequence that has ended goes on with `end` alone, with probability 1.
    """
    ending = jnp.arange(log_softmax.shape[-1]) == end
    new = log_p[..., None] + log_softmax
    new = jnp.where(at_limit[:, None, None] & ~ending, -jnp.inf, new)
    same = jnp.where(ending, log_p[..., None], -jnp.inf)
    return jnp.where(done[..., None], same, new)


def draw(
    step: Step,
    carry: Any,
    key: jax.Array,
    *,
    begin: int,
    end: int,
    limits: jax.Array,
    length: int,
    choice: Choice,
) -> jax.Array:
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
