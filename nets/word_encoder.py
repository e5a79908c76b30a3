"""The input vector of a word: its embedding, its spelling, and a feature given with it.

    x = [E w, h->(c_1 ... c_n), h<-(c_n ... c_1), F f]

E w is the word's vector, learned or given. The letters c_1 ... c_n are read in both directions by
small recurrent nets, each of which contributes its last state; so words that were never seen in
training have a representation too (Ling et al. 2015; Lample et al. 2016). f is a feature, such as
a part of speech.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax.nn import initializers

from .cells import Cell, Params, hidden_state
from .unroll import both_directions


@dataclasses.dataclass(frozen=True)
class WordEncoder:
    """The sizes; a part whose size is 0 or None is left out."""

    words: int = 0  # number of words with a learned vector
    embedding: int = 0  # length of a learned vector
    given: int = 0  # length of a given vector, which is not trained
    letters: int = 0  # size of the alphabet
    reader: Cell | None = None  # the cell that reads the letters
    letter_embedding: int = 0  # length of a letter's vector
    features: int = 0  # number of values of the feature
    feature_embedding: int = 0  # length of a value's vector

    @property
    def width(self) -> int:
        """D, the length of x."""
        reader = 2 * self.reader.hidden if self.reader else 0
        return self.embedding + self.given + reader + self.feature_embedding

    def init(self, key: jax.Array) -> Params:
        """Parameters `words`, `letters`, `readers` and `features`, of the parts there are."""
        keys = jax.random.split(key, 5)
        params: Params = {}
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

    def encode(
        self,
        params: Params,
        words: jax.Array,
        letters: jax.Array | None = None,
        features: jax.Array | None = None,
        vectors: jax.Array | None = None,
    ) -> jax.Array:
        """x of every word: [T, B, D]. Arguments for parts that are left out are not read.

        Args:
            params: from `init`.
            words: integers [T, B].
            letters: integers [T, B, L], 0 after a word's last letter.
            features: integers [T, B].
            vectors: the given vectors, [V, G].
        """
        parts = []
        if self.embedding:
            parts.append(params["words"][words])
        if self.given:
            assert vectors is not None, "an encoder with given vectors needs them here"
            parts.append(vectors[words])
        if self.reader:
            parts.append(_last_states(self.reader, params, letters))
        if self.feature_embedding:
            parts.append(params["features"][features])
        return jnp.concatenate(parts, -1)


def _last_states(reader, params, letters):
    """The last states of the readers of both directions, [T, B, 2 H]."""
    steps = letters.reshape(-1, letters.shape[-1]).T  # [L, T B]: letter by letter
    xs = params["letters"][steps]
    carries, _ = both_directions((reader, reader), params["readers"], xs, mask=steps > 0)
    ends = [hidden_state(carry) for carry in carries]
    return jnp.concatenate(ends, -1).reshape(*letters.shape[:-1], -1)
