"""Beam search against the list of all sequences, and sampling."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.language_model import Choice
from nets.search import beam_search, draw

pytestmark = pytest.mark.usefixtures("quick_compilation")
V, T, END, BEGIN = 3, 4, 0, 1
WEIGHTS = 2 * np.random.default_rng(3).normal(size=(2, V, 5)).astype(np.float32)
OUT = 2 * np.random.default_rng(4).normal(size=(5, V)).astype(np.float32)
FIRST = np.random.default_rng(5).normal(size=(4, 5)).astype(np.float32)  # four sentences


def step(carry, symbols):
    """A small recurrent net: each symbol's probability depends on all before it."""
    scale, shift = jnp.asarray(WEIGHTS)[:, symbols]
    carry = jnp.tanh(carry + scale * carry[:, ::-1] + shift)
    return carry, carry @ OUT


def log_p(sentence, symbols):
    """ln p of one whole sequence, end included: the same net in NumPy."""
    carry, total, before = FIRST[sentence], 0.0, BEGIN
    for symbol in symbols:
        carry = np.tanh(carry + WEIGHTS[0, before] * carry[::-1] + WEIGHTS[1, before])
        logits = carry @ OUT
        total += logits[symbol] - np.log(np.exp(logits).sum())
        before = symbol
    return total


@pytest.fixture(scope="module")
def every():
    """For each sentence, ln p of every sequence of at most T symbols, the end included."""
    sequences = [
        (*body, END)
        for length in range(T)
        for body in itertools.product([s for s in range(V) if s != END], repeat=length)
    ]
    return [{symbols: log_p(n, symbols) for symbols in sequences} for n in range(len(FIRST))]


def searched(beam, limits=(T,) * 4, power=0.0, first=FIRST, length=T):
    limits = np.array(limits)
    return jax.jit(
        lambda first: beam_search(step, first, begin=BEGIN, end=END, limits=limits, length=length,
                                  beam=beam, power=power)
    )(jnp.asarray(first))  # fmt: skip


def cut(row):
    """A row of symbols up to its end."""
    return tuple(int(s) for s in row[: list(row).index(END) + 1])


@pytest.mark.parametrize("power", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_the_best_of_all_sequences(every, power):
    beams = searched(beam=20, power=power)
    for n, known in enumerate(every):
        scores = {s: p / len(s) ** power for s, p in known.items()}
        wanted = sorted(scores, key=scores.get, reverse=True)
        found = [cut(row) for row in beams.symbols[n][: len(wanted)]]
        assert found == wanted  # the whole list, and in its order
        np.testing.assert_allclose(beams.scores[n][: len(wanted)], [scores[s] for s in wanted],
                                   rtol=1e-4)  # fmt: skip
        assert (beams.log_p[n][len(wanted) :] == -np.inf).all()  # there are no more


def test_scores_of_a_narrow_beam_are_true_probabilities(every):
    for beam in (1, 2, 3):
        beams = searched(beam)
        for n, known in enumerate(every):
            for row, p in zip(beams.symbols[n], beams.log_p[n], strict=True):
                assert float(p) == pytest.approx(known[cut(row)], rel=1e-4)
            assert (np.diff(beams.scores[n]) <= 0).all()
            assert len({cut(row) for row in beams.symbols[n]}) == beam


def test_a_wider_beam_finds_nothing_worse():
    best = np.array([searched(beam).log_p[:, 0] for beam in (1, 4, 20)])
    assert (best[-1] >= best.max(0) - 1e-6).all()


def test_a_beam_of_one_is_greedy():
    greedy = draw(step, jnp.asarray(FIRST), jax.random.key(0), begin=BEGIN, end=END,
                  limits=np.full(4, T), length=T, choice=Choice(temperature=0))  # fmt: skip
    np.testing.assert_array_equal(searched(1).symbols[:, 0], greedy)


def test_a_sentence_does_not_depend_on_the_others_nor_on_the_length_of_the_arrays():
    together = searched(3, power=0.6)
    for n in range(4):
        alone = searched(3, (T,), 0.6, FIRST[n : n + 1])
        np.testing.assert_array_equal(alone.symbols[0], together.symbols[n])
        np.testing.assert_allclose(alone.scores[0], together.scores[n], rtol=1e-5)
    longer = searched(3, power=0.6, length=T + 6)
    np.testing.assert_array_equal(longer.symbols[..., :T], together.symbols)
    assert (longer.symbols[..., T:] == END).all()


def test_limits_are_each_sentence_s_own(every):
    limits = (1, 2, 3, 4)
    beams = searched(20, limits)
    for n, limit in enumerate(limits):
        real = np.isfinite(beams.log_p[n])
        lengths = [len(cut(row)) for row in beams.symbols[n][real]]
        assert max(lengths) == limit and len(lengths) == sum(len(s) <= limit for s in every[n])


def test_samples_have_the_model_s_frequencies(every):
    count = 4000
    first = jnp.asarray(np.repeat(FIRST[:1], count, 0))
    rows = draw(step, first, jax.random.key(1), begin=BEGIN, end=END, limits=np.full(count, T),
                length=T, choice=Choice())  # fmt: skip
    drawn = [cut(row) for row in np.asarray(rows)]
    for symbols, p in every[0].items():
        # the last symbol is always the end, whatever p says of it
        wanted = np.exp(p if len(symbols) < T else log_p(0, symbols[:-1]))
        assert drawn.count(symbols) / count == pytest.approx(wanted, abs=0.03)
