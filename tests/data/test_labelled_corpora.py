"""Labelled corpora by name: `data/mpqa.py`, `data/sst.py`, `data/grammar.py`."""

import gzip
import io
import tarfile

import numpy as np
import pytest

from data import grammar, mpqa, sst, tagged_corpora
from data.errors import UserError


def archive(files, kind=tarfile.REGTYPE):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def small_mpqa():
    documents = [f"d/{n}" for n in range(12)]  # ten folds of one, and two for development
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


def test_folds_and_development_set():
    found = mpqa.corpus(mpqa.members(archive(small_mpqa()), "a.tar.gz"), "dse")
    assert len(found.train.words) == 10 and len(found.valid.words) == 2
    assert found.test is found.train and found.folds.tolist() == list(range(10))
    assert found.train.labels[0] == ["O", "O", "B"]


@pytest.mark.parametrize("name", ["../escape.txt", "/etc/passwd", "a/../../b"])
def test_no_member_is_outside_the_archive(name):
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


def test_the_published_opinion_archive(raw_dir):
    found = tagged_corpora.load("mpqa-dse", raw_dir=str(raw_dir))
    assert (len(found.train.words), len(found.valid.words)) == (8241, 2870)
    assert len(found.train.words) + len(found.valid.words) == 11_111
    assert np.bincount(found.folds).sum() == 8241 and len(np.bincount(found.folds)) == 10


def test_trees():
    line = r"(4 (2 (2 a) (3 b\/c)) (1 d))"
    found = sst.phrases(line, "line 1")
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


def test_the_published_trees(raw_dir):
    found = tagged_corpora.load("sst2", raw_dir=str(raw_dir))
    assert (len(found.valid.words), len(found.test.words)) == (872, 1821)


def test_labels_of_the_grammar_need_both_contexts():
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
