"""What a net is told of a word: its vector, what its letters say, and features given with it.

    x = [E w, C-> c_n, C<- c_1, F f]

E w is the word's vector, learned or given. The letters c_1 ... c_n are read in both directions by
small recurrent nets, which know words that no text has shown before; each gives its last state
(Ling et al. 2015; Lample et al. 2016). f is a feature, such as a part of speech.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import initializers

from .cells import hidden_state
from .unroll import both_directions


@dataclasses.dataclass(frozen=True)
class WordEncoder:
    """The sizes; what is 0 or None is left out."""

    words: int = 0  # that have a learned vector
    embedding: int = 0  # its length
    given: int = 0  # the length of the vectors that are given and stay
    letters: int = 0  # of the alphabet
    reader: Any = None  # the cell that reads them
    letter_embedding: int = 0
    features: int = 0  # values of the feature
    feature_embedding: int = 0

    @property
    def width(self) -> int:
        """D, the length of x."""
        reader = 2 * self.reader.hidden if self.reader else 0
        return self.embedding + self.given + reader + self.feature_embedding

    def init(self, key):
        """Parameters: `words`, `letters`, `readers` and `features`, as far as there are any."""
        keys, params = jax.random.split(key, 5), {}
        normal = initializers.normal(0.1)
        if self.embedding:
            params["words"] = normal(keys[0], (self.words, self.embedding))
        if self.reader:
            size = self.letter_embedding
            params["letters"] = normal(keys[1], (self.letters, size))
            params["readers"] = tuple(self.reader.init(k, size) for k in keys[2:4])
        if self.feature_embedding:
            params["features"] = normal(keys[4], (self.features, self.feature_embedding))
        return params

    def encode(self, params, words, letters=None, features=None, vectors=None):
        """x of every word: [T, B, D].

        Args:
            params: from `init`.
            words: integers [T, B].
            letters: integers [T, B, L], 0 after a word's last letter.
            features: integers [T, B].
            vectors: given ones, [V, G].
        """
        parts = []
        if self.embedding:
            parts.append(params["words"][words])
        if self.given:
            parts.append(vectors[words])
        if self.reader:
            parts.append(self._read(params, letters))
        if self.feature_embedding:
            parts.append(params["features"][features])
        return jnp.concatenate(parts, -1)

    def _read(self, params, letters):
        """The last states of both readers, [T, B, 2 H]."""
        steps = letters.reshape(-1, letters.shape[-1]).T  # [L, T B]: letter by letter
        xs = params["letters"][steps]
        pair = (self.reader, self.reader)
        carries, _ = both_directions(pair, params["readers"], xs, mask=steps > 0)
        ends = [hidden_state(carry) for carry in carries]
        return jnp.concatenate(ends, -1).reshape(*letters.shape[:-1], -1)
