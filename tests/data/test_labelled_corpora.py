"""The opinion archive, the sentiment trees, the grammar and files of vectors."""

import gzip
import io
import tarfile

import numpy as np
import pytest

from data import grammar, mpqa, sst, tagged_corpora
from data.errors import UserError
from data.word_vectors import cooccurrences, parse_vectors, ppmi_vectors, vector_lines


def archive(files, kind=tarfile.REGTYPE):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def small_mpqa():
    documents = [f"d/{n}" for n in range(12)]  # ten folds of one, and two to choose by
    labelled = "\n\n".join("so\tRB\tO\nthey\tPRP\tO\nsay\tVB\tB" for _ in documents)
    files = {
        "dse.txt": labelled + "\n",
        "sentenceid.txt": "".join(f"0 {n} {d}\n" for n, d in enumerate(documents)),
        "datasplit/doclist.mpqaOriginalSubset": "\n".join(documents),
    }
    for fold in range(10):
        files[f"datasplit/filelist_test{fold}"] = documents[fold]
        rest = [d for d in documents[:10] if d != documents[fold]]
        files[f"datasplit/filelist_train{fold}"] = "\n".join(rest)
    return {name: text.encode() for name, text in files.items()}


def test_folds_and_what_is_chosen_by():
    found = mpqa.corpus(mpqa.members(archive(small_mpqa()), "a.tar.gz"), "dse")
    assert len(found.train.words) == 10 and len(found.valid.words) == 2
    assert found.test is found.train and found.folds.tolist() == list(range(10))
    assert found.train.labels[0] == ["O", "O", "B"]


@pytest.mark.parametrize("name", ["../escape.txt", "/etc/passwd", "a/../../b"])
def test_no_member_leaves_the_archive(name):
    with pytest.raises(UserError, match="not a regular file inside"):
        mpqa.members(archive({name: b"x"}), "a.tar.gz")


def test_broken_archives():
    with pytest.raises(UserError, match="not a regular file"):
        mpqa.members(archive({"dse.txt": b""}, tarfile.SYMTYPE), "a.tar.gz")
    with pytest.raises(UserError, match="damaged gzip data"):
        mpqa.members(archive(small_mpqa())[:200], "a.tar.gz")
    with pytest.raises(UserError, match="damaged gzip data"):
        mpqa.members(b"no archive", "a.tar.gz")
    with pytest.raises(UserError, match="damaged archive"):
        mpqa.members(gzip.compress(b"no archive"), "a.tar.gz")
    files = small_mpqa()
    with pytest.raises(UserError, match=r"does not contain ese\.txt"):
        mpqa.corpus(files, "ese")
    with pytest.raises(UserError, match="12 sentences but sentenceid.txt has 1"):
        mpqa.corpus(files | {"sentenceid.txt": b"0 0 d/0\n"}, "dse")


def test_the_opinion_archive_itself(raw_dir):
    found = tagged_corpora.load("mpqa-dse", raw_dir=str(raw_dir))
    assert (len(found.train.words), len(found.valid.words)) == (8241, 2870)
    assert len(found.train.words) + len(found.valid.words) == 11_111
    assert np.bincount(found.folds).sum() == 8241 and len(np.bincount(found.folds)) == 10


def test_trees():
    line = r"(4 (2 (2 a) (3 b\/c)) (1 d))"
    found = sst.phrases(line, "here")
    assert found == [(2, ["a"]), (3, ["b/c"]), (2, ["a", "b/c"]), (1, ["d"]),
                     (4, ["a", "b/c", "d"])]  # fmt: skip
    tree = sst.trees((line + "\n").encode(), "file")
    five, two = (sst.corpus(tree, tree, tree, classes) for classes in (5, 2))
    assert five.whole and len(five.train.words) == 5 and len(two.train.words) == 3
    assert two.test.labels == [["positive"]] and five.test.labels == [["very positive"]]


@pytest.mark.parametrize("line", ["(3 (2 a)", "(3 (2 a)))", "(7 a)", "a b", "(3)", "(2 a) (2 b"])
def test_broken_trees(line):
    with pytest.raises(UserError, match="file, line 2 is not a tree"):
        sst.trees(f"(2 a)\n{line}\n".encode(), "file")


def test_the_trees_themselves(raw_dir):
    found = tagged_corpora.load("sst2", raw_dir=str(raw_dir))
    assert (len(found.valid.words), len(found.test.words)) == (872, 1821)


def test_labels_of_the_grammar_need_both_sides():
    found = grammar.corpus(0, 300, 10, 10)
    again = grammar.corpus(0, 300, 10, 10)
    assert found == again and found != grammar.corpus(1, 300, 10, 10)
    roles = {}
    for words, labels in zip(found.train.words, found.train.labels, strict=True):
        for n, (word, label) in enumerate(zip(words, labels, strict=True)):
            roles.setdefault(word, set()).add(label)
            if label in ("V", "VQ"):
                assert (label == "VQ") == (words[-1] == "?")
                assert labels[n - 1] in ("N", "W", label)
            if label == "N":
                assert labels[n - 1] in ("D", "A")
    assert roles["waits"] == {"N", "V", "VQ"}


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


def test_neighbours_are_counted_by_distance():
    counts = cooccurrences([[0, 1, 2], [2, -1, 0]], 3, 2).toarray()
    assert counts.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    #  0-1: 1 (side by side), 0-2: 1/2 + 1/2 (twice at distance two)


def test_words_in_the_same_places_have_like_vectors():
    random = np.random.default_rng(0)
    groups = [0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]
    text = [[random.choice(group) for group in groups] for _ in range(2000)]
    vectors = ppmi_vectors(cooccurrences(text, 12, 1), 4)
    near = vectors @ vectors.T / np.outer(*[np.linalg.norm(vectors, axis=1)] * 2)
    for group in groups:
        others = [n for n in range(12) if n not in group]
        assert near[np.ix_(group, group)].min() > near[np.ix_(group, others)].max()
    np.testing.assert_allclose(np.mean(vectors**2), 1, rtol=1e-5)
