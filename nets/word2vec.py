"""Word vectors by predicting words from the words around them, and the other way round.

    CBOW        h = mean of the vectors of the words around;  predicts the word in the middle
    skip-gram   h = the vector of a word around;              predicts the word in the middle

    negative sampling      loss = -log s(u_target h) - sum over K drawn words n of log s(-u_n h)
    hierarchical softmax   loss = -sum over the nodes on the target's path of log s(+-u_node h)

with s(x) = 1 / (1 + exp(-x)); the sign is that of the turn which the path takes at the node, and
the probabilities of all words sum to 1 (Mikolov, Chen, Corrado and Dean 2013; Mikolov, Sutskever,
Chen, Corrado and Dean 2013). As in the authors' program, in skip-gram the word around is the input
and the word in the middle the target, the reverse of the paper's figure.

A net reads blocks of consecutive words. All pairs of a block are scored by products of matrices:
its words are looked up once, not once a pair, and its words share M drawn negatives, each of
which weighs K / M, so that the expected loss is that of K draws for each pair.

An update touches the rows of the words of its blocks alone: the loss is differentiated with
respect to these rows, and what comes of it is added to the tables.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Params = dict[str, Any]


class Block(NamedTuple):
    """T consecutive words to predict and the `window` words on either side of them."""

    words: Any  # int32 [T + 2 window]
    left: Any  # int [T]: how many of the words before each one are its context
    right: Any  # int [T]: and how many after it
    negatives: Any  # int32 [M]; M = 0 without negative sampling
    nodes: Any  # int32 [T, L]: the inner nodes on each word's path; L = 0 without the tree
    turns: Any  # int8 [T, L]: 1 or -1, and 0 after the end of a path


class Sums(NamedTuple):
    """A loss in nats, and the number of predictions that it is summed over."""

    loss: jax.Array
    predictions: jax.Array


@dataclasses.dataclass(frozen=True)
class Word2vec:
    """`vocabulary` words with vectors of `size` numbers.

    `negative` is K, the drawn words that a prediction is told from; 0: no negative sampling.
    `tree` adds the loss of hierarchical softmax.
    """

    vocabulary: int
    size: int
    cbow: bool
    negative: int
    tree: bool

    def init(self, key: jax.Array) -> Params:
        """`words`, the vectors [V, D], uniform within 1 / (2 D) of 0; `outputs` and `nodes` 0."""
        shape = self.vocabulary, self.size
        params = {"words": jax.random.uniform(key, shape, minval=-0.5, maxval=0.5) / self.size}
        if self.negative:
            params["outputs"] = jnp.zeros(shape)
        if self.tree:
            params["nodes"] = jnp.zeros((self.vocabulary - 1, self.size))
        return params

    def indices(self, block: Block) -> dict[str, jax.Array]:
        """Which rows of each table a block needs: [n] each. Also of many blocks: [..., n]."""
        length, window = _sizes(block)
        found = {"words": block.words}
        if self.negative:
            targets = block.words[..., window : window + length]
            found["outputs"] = jnp.concatenate([targets, block.negatives], -1)
        if self.tree:
            found["nodes"] = block.nodes.reshape(*block.nodes.shape[:-2], -1)
        return found

    def loss(self, rows: Params, block: Block) -> Sums:
        """The loss of a block.

        Args:
          rows: of each table, those of `indices`: [n, D].
          block: one block.
        """
        near = contexts(block)
        hidden, weights = self._hidden(rows["words"], near)
        total = jnp.zeros(())
        if self.negative:
            total += self._negative_sampling(hidden, weights, rows["outputs"], block)
        if self.tree:
            total += self._hierarchical(hidden, weights, rows["nodes"], block)
        return Sums(total, weights.sum())

    def _hidden(self, vectors: jax.Array, near: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The inputs h [I, D], and which of them predicts which word: 0 or 1 [I, T].

        The gradient of CBOW's mean is that of the sum: the program gives each word around the
        whole error.
        """
        if not self.cbow:
            return vectors, near.T
        count = near.sum(1, keepdims=True)
        total = near @ vectors
        mean = total / jnp.maximum(count, 1)
        return total + jax.lax.stop_gradient(mean - total), jnp.diag(jnp.minimum(count[:, 0], 1))

    def _negative_sampling(self, hidden, weights, outputs, block):
        length, window = _sizes(block)
        targets, negatives = outputs[:length], outputs[length:]
        # A drawn word that is the target itself does not count.
        drawn = block.words[window : window + length, None] != block.negatives
        shares = weights @ (drawn * (self.negative / block.negatives.shape[-1]))  # [I, M]
        if self.cbow:
            right = (surprise((hidden * targets).sum(-1)) * weights.diagonal()).sum()
        else:
            right = (surprise(hidden @ targets.T) * weights).sum()
        return right + (surprise(-(hidden @ negatives.T)) * shares).sum()

    def _hierarchical(self, hidden, weights, nodes, block):
        turns = block.turns.astype(hidden.dtype)
        if self.cbow:
            nodes = nodes.reshape(*turns.shape, -1)
            scores = jnp.einsum("td,tld->tl", hidden, nodes)
            return (path_surprise(scores, turns) * weights.diagonal()).sum()
        scores = (hidden @ nodes.T).reshape(-1, *turns.shape)  # [I, T, L]
        return (path_surprise(scores, turns) * weights).sum()

    def gradient(self, rows: Params, blocks: Block) -> tuple[Sums, Params]:
        """The loss of blocks, and its gradient with respect to their rows [B, n, D]."""

        def total(rows):
            each = jax.vmap(self.loss)(rows, blocks)
            return each.loss.sum(), Sums(each.loss.sum(), each.predictions.sum())

        grads, sums = jax.grad(total, has_aux=True)(rows)
        return sums, grads

    def moved(
        self, params: Params, indices: dict[str, jax.Array], grads: Params, rate: jax.Array
    ) -> Params:
        """The tables with `-rate * grads` added to the rows `indices`, repeated ones each time."""
        return {
            name: table.at[indices[name]].add(-rate * grads[name])
            for name, table in params.items()
        }


def contexts(block: Block) -> jax.Array:
    """Which words are the context of which: 0 or 1, float [T, T + 2 window]."""
    length, window = _sizes(block)
    offset = jnp.arange(length + 2 * window) - window - jnp.arange(length)[:, None]
    near = (offset >= -block.left[:, None]) & (offset <= block.right[:, None]) & (offset != 0)
    return near.astype(jnp.float32)


def _sizes(block: Block) -> tuple[int, int]:
    """T, and the words on either side of a block."""
    length = block.left.shape[-1]
    return length, (block.words.shape[-1] - length) // 2


@jax.custom_jvp
def surprise(x: jax.Array) -> jax.Array:
    """-log s(x), where s is the logistic function."""
    return jnp.log1p(jnp.exp(-abs(x))) + jnp.maximum(-x, 0)


@surprise.defjvp
def _(primals, tangents):
    (x,), (change,) = primals, tangents
    small = jnp.exp(-abs(x))
    return surprise(x), -jnp.where(x >= 0, small, 1) / (1 + small) * change


def path_surprise(scores: jax.Array, turns: Any) -> jax.Array:
    """-log p of words by the tree, [..., T], by the scores u_node h on their paths [..., T, L].

    `turns` are those of `Block`.
    """
    return (surprise(scores * turns) * abs(turns)).sum(-1)
