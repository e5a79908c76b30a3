"""Files of word vectors, and vectors made from co-occurrence counts."""

import numpy as np
import pytest

from data.errors import UserError
from data.word_vectors import cooccurrences, parse_vectors, ppmi_vectors, vector_lines


@pytest.mark.parametrize("header", ["", "3 3\n"])
def test_vectors_in_both_formats(header):
    words, vectors = parse_vectors(f"{header}a 1 2 3\r\nb 4 5e-1 -6\na 0 0 0\n".encode(), "v.txt")
    assert words == ["a", "b"] and vectors.tolist() == [[1, 2, 3], [4, 0.5, -6]]
    lines = "".join(vector_lines(words, vectors)).encode()
    np.testing.assert_allclose(parse_vectors(lines, "v.txt")[1], vectors)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a 1 2 3\nb 4 5\n", "v.txt, line 2 has 2 numbers but the lines before it have 3"),
        (b"a 1 2\nb 3 x\n", "v.txt, line 2 is not a word followed by numbers"),
        (b"a 1 nan\n", "line 1 has a number that is not finite"),
        (b"", "has no vectors"),
        (b"4 2\n", "has no vectors"),
        (b"a 1\n\xff 1\n", "v.txt, line 2 is not UTF-8"),
    ],
)
def test_broken_vectors(content, sentence):
    with pytest.raises(UserError, match=sentence):
        parse_vectors(content, "v.txt")


def test_cooccurrences_are_weighted_by_distance():
    counts = cooccurrences([[0, 1, 2], [2, -1, 0]], 3, 2).toarray()
    assert counts.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    # 0-1: 1 (adjacent), 0-2: 1/2 + 1/2 (twice at distance two)


def test_words_in_the_same_contexts_have_similar_vectors():
    random = np.random.default_rng(0)
    groups = [0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]
    text = [[random.choice(group) for group in groups] for _ in range(2000)]
    vectors = ppmi_vectors(cooccurrences(text, 12, 1), 4)
    near = vectors @ vectors.T / np.outer(*[np.linalg.norm(vectors, axis=1)] * 2)
    for group in groups:
        others = [n for n in range(12) if n not in group]
        assert near[np.ix_(group, group)].min() > near[np.ix_(group, others)].max()
    np.testing.assert_allclose(np.mean(vectors**2), 1, rtol=1e-5)
