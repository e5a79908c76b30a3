"""Files of word vectors, and vectors made from co-occurrence counts."""

import gzip

import numpy as np
import pytest

from data.errors import UserError
from data.word_vectors import (
    binary_vectors,
    cooccurrences,
    parse_vectors,
    ppmi_vectors,
    read_vectors,
    vector_lines,
)


@pytest.mark.parametrize("header", ["", "3 3\n"])
def test_vectors_in_both_formats(header):
    words, vectors = parse_vectors(f"{header}a 1 2 3\r\nb 4 5e-1 -6\na 0 0 0\n".encode(), "v.txt")
    assert words == ["a", "b"] and vectors.tolist() == [[1, 2, 3], [4, 0.5, -6]]
    lines = "".join(vector_lines(words, vectors)).encode()
    np.testing.assert_allclose(parse_vectors(lines, "v.txt")[1], vectors)
    again, numbers = parse_vectors(binary_vectors(words, vectors), "v.bin")
    assert again == words and (numbers == vectors).all()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a 1 2 3\nb 4 5\n", "v.txt, line 2 has 2 numbers and line 1 gives 3"),
        (b"a 1 2\nb 4 5 6\n", "v.txt, line 2 has 3 numbers and line 1 gives 2"),
        (b"2 3\na 1 2 3\nb 4 5\n", "v.txt, line 3 has 2 numbers and line 1 gives 3"),
        (b"2 2\na 1 2\n", "announces 2 vectors of 2 numbers in its first line but has 1"),
        (b"a b c\n", "v.txt, line 1 is not a word followed by numbers"),
        (b"a 1 2\n\nb 3\n", "v.txt, line 3 has 1 numbers and line 1 gives 2"),
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


@pytest.mark.parametrize("between", [" ", "\t", " \t "])
def test_blanks_and_tabs_separate_words_and_numbers(between):
    for text in (f"anna{between}0.5 1\nbob 2{between}3\n", f"anna{between}0.5\t1 \nbob 2 3\t\n"):
        words, vectors = parse_vectors(text.encode(), "v.txt")
        assert words == ["anna", "bob"] and vectors.tolist() == [[0.5, 1], [2, 3]]


@pytest.mark.parametrize("header", ["", "5 2\n"])
def test_words_may_contain_blanks(header):
    """As some of GloVe's 840 billion do; numbers are words too."""
    text = f"{header}. . . 1 2\n1999 3 4\nat name@domain.com 5 6\n1 7 8\nnan 9 0\n"
    words, vectors = parse_vectors(text.encode(), "v.txt")
    assert words == [". . .", "1999", "at name@domain.com", "1", "nan"]
    assert vectors.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 0]]


def binary(words, vectors, between=b"\n"):
    """word2vec's binary format."""
    records = (w.encode() + b" " + v.astype("<f4").tobytes() + between
               for w, v in zip(words, vectors, strict=True))  # fmt: skip
    return f"{len(words)} {len(vectors[0])}\n".encode() + b"".join(records)


WORDS, VECTORS = ["in", "New_York", "Straße"], np.arange(9, dtype=np.float32).reshape(3, 3) / 7


@pytest.mark.parametrize("between", [b"\n", b""])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_binary_files_of_word2vec(between, pack, tmp_path):
    (tmp_path / "v.bin").write_bytes(pack(binary(WORDS, VECTORS, between)))
    words, vectors = read_vectors(tmp_path / "v.bin")
    assert words == WORDS and (vectors == VECTORS).all() and vectors.dtype == np.float32


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (binary(WORDS, VECTORS)[:-9], "announces 3 vectors of 3 numbers .* ends after 2"),
        (binary(WORDS, VECTORS) + b"more", "has other data"),
        (binary(WORDS, VECTORS).replace(b"3 3", b"2 3"), "has other data"),
        (binary(WORDS, VECTORS).replace(b"3 3", b"3 999999999999"), "ends after 0"),
        (binary(WORDS, VECTORS).replace(b"3 3", b"999999999999 3"), "ends after 3"),
        (binary(WORDS, np.full((3, 3), np.inf)), "not finite"),
        (b"\xba\x16\x4f\x2f\x0c\0\0\0", "fastText's binary model"),
        (b"\x80\x04\x95\x1a", "a pickled Python model"),
    ],
)
def test_broken_binary_files(content, sentence):
    with pytest.raises(UserError, match=sentence):
        parse_vectors(content, "v.bin")


def test_compressed_text_is_read_and_other_archives_are_named(tmp_path):
    path = tmp_path / "v.txt"
    path.write_bytes(gzip.compress(b"a 1 2\n"))
    assert read_vectors(path)[0] == ["a"]
    for content, kind in ((b"PK\x03\x04", "a zip archive"), (b"BZh91AY", "a bzip2 file"),
                          (b"\xfd7zXZ\0", "an xz file")):  # fmt: skip
        path.write_bytes(content + b"rest")
        with pytest.raises(UserError, match=f"v.txt is {kind}; unpack it and give the file inside"):
            read_vectors(path)


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
