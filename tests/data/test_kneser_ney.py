"""The n-gram model is a distribution, agrees with hand calculation, and reaches its figure."""

import numpy as np
import pytest

from data import word_corpora
from data.kneser_ney import KneserNey
from data.words import END

A, B, C, STOP = range(4)
TRAIN = np.array([A, B, STOP, A, B, A, STOP, B, A, B, C, STOP])


@pytest.mark.parametrize("order", [2, 3, 5])
@pytest.mark.parametrize("context", [[], [A], [A, B], [C, C], [A, B, A, STOP], [B, A, B, C, A]])
def test_the_probabilities_of_all_words_after_a_context_sum_to_1(order, context):
    model = KneserNey(TRAIN, 4, STOP, order)
    p = [model.probabilities(np.array([STOP, *context, word]))[-1] for word in range(4)]
    assert sum(p) == pytest.approx(1) and min(p) > 0


def test_bigrams_by_hand():
    """With discounts 0.5, 1 and 1.5, as there are too few counts to estimate them."""
    model = KneserNey(TRAIN, 4, STOP, 2)
    # distinct words before a: start, b; before b: a, start; before c: b; before the end: b, a, c
    first = {"total": 2 + 2 + 1 + 3, "taken": 1 + 1 + 0.5 + 1.5}
    p_b = (2 - 1) / first["total"] + first["taken"] / first["total"] / 4
    p_c = (1 - 0.5) / first["total"] + first["taken"] / first["total"] / 4
    # after a: b three times, the end once
    rest = (1.5 + 0.5) / 4
    found = model.probabilities(np.array([STOP, A, B, C]))
    assert found[1] == pytest.approx((3 - 1.5) / 4 + rest * p_b)
    # after b: a twice, c once, the end once
    assert found[2] == pytest.approx((1 - 0.5) / 4 + (1 + 0.5 + 0.5) / 4 * p_c)
    # at the start of a sentence: a twice, b once
    p_a = (2 - 1) / first["total"] + first["taken"] / first["total"] / 4
    assert found[0] == pytest.approx((2 - 1) / 3 + (1 + 0.5) / 3 * p_a)


def test_contexts_do_not_cross_sentences():
    model = KneserNey(TRAIN, 4, STOP)
    alone = model.probabilities(np.array([STOP, B, A]))
    after = model.probabilities(np.array([STOP, C, A, STOP, B, A]))
    np.testing.assert_allclose(after[-2:], alone)


def test_the_penn_treebank_has_its_published_perplexity(raw_dir):
    text = word_corpora.load(
        "penn_treebank", tokens="blanks", vocabulary=0, valid_percent=0, test_percent=0,
        raw_dir=str(raw_dir),
    )  # fmt: skip
    p = KneserNey(text.train, len(text.symbols), text.symbols.index(END)).probabilities(text.test)
    assert len(p) == 82_430
    assert np.exp(-np.log(p).mean()) == pytest.approx(141.2, abs=0.1)
