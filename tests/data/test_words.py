"""Texts as words (`data/word_corpora.py` too): tokens, vocabulary, published files, mistakes."""

from collections import Counter

import numpy as np
import pytest

from data import word_corpora
from data.errors import UserError
from data.words import (
    END,
    coded_words,
    codes_of_words,
    numbered,
    text_of_words,
    unknown_share,
    vocabulary,
    words_of,
)

CUTS = {"valid_percent": 10, "test_percent": 10, "tokens": "marks", "vocabulary": 0}


@pytest.mark.parametrize(
    ("text", "tokens", "words"),
    [
        ("don't (say)!", "marks", "don't ( say ) ! <eos>"),
        ("don't (say)!", "blanks", "don't (say)! <eos>"),
        ("a\r\n\r\nb", "marks", "a <eos> <eos> b <eos>"),
        ("a <unk> b\n", "marks", "a <unk> b <eos>"),
        ("x\ty  z\n", "blanks", "x y z <eos>"),
        ("", "marks", ""),
    ],
)
def test_words_and_line_ends(text, tokens, words):
    assert words_of(text, tokens) == words.split()


def test_the_most_frequent_words_are_known():
    counts = Counter(words_of("b b b a a a c c d\n", "blanks"))
    assert vocabulary(counts, 0) == ("a", "b", "c", "<eos>", "<unk>")
    assert vocabulary(counts, 4) == ("a", "b", "<eos>", "<unk>")
    assert vocabulary(counts | {"<unk>": 1}, 0) == ("a", "b", "c", "<eos>", "<unk>", "d")


def test_parts_are_coded_with_the_first_one_s_words_and_follow_an_end():
    parts, words = numbered(("b a\na b\n", "a z\n", ""), "blanks")
    text = coded_words(parts, words, 0, "f")
    assert text.symbols == ("<eos>", "a", "b", "<unk>")
    assert text.train.tolist() == [2, 1, 0, 1, 2, 0]
    assert text.valid.tolist() == [0, 1, 3, 0] and text.test.tolist() == [0]
    assert text.facts["words"] == "<eos> a b <unk>"
    other = coded_words((parts[0], parts[0], parts[2]), words, 0, "f")
    assert text.facts["text"] != other.facts["text"]


def test_the_share_of_unknown_words_leaves_line_ends_apart():
    parts, words = numbered(("a a b b\n", "a z\nb y\n", "z b\n\n\n"), "blanks")
    text = coded_words(parts, words, 0, "f")
    shares = [unknown_share(part, text.symbols) for part in text[:3]]
    assert shares == [0, 0.5, 0.5]
    assert unknown_share(text.valid[:1], text.symbols) == 0  # an END alone


@pytest.mark.parametrize(
    ("train", "valid", "test", "limit", "sentence"),
    [
        ("a b c d", "", "a b", 0, "no word occurs twice in the training part"),
        ("a a b b", "", "a b", 2, "or --vocabulary admits none"),
        ("a a b b", "", "c d", 0, "the test part has none of the 2 words"),
        ("a a b b", "", "\n\n", 0, "the test part has none of the 2 words"),
        ("a a a b b", "", "b", 3, "the test part has none of the 1 words"),
        ("a a b b", "c <unk>", "a", 0, "the validation part has none of the 2 words"),
    ],
)
def test_a_part_of_unknown_words_alone_is_refused(train, valid, test, limit, sentence):
    parts, words = numbered((train, valid, test), "blanks")
    with pytest.raises(UserError, match=sentence):
        coded_words(parts, words, limit, "f")


@pytest.mark.parametrize("tokens", ["marks", "blanks"])
def test_a_long_text_is_read_in_pieces_as_it_is_at_once(tokens, monkeypatch):
    text = "one two\tthree\r\n\r\nfour, don't\rfive \xa0six\x0bseven  <eos> eight" * 9
    whole = words_of(text, tokens)
    for size in (1, 7, 50):
        monkeypatch.setattr("data.words.PIECE", size)
        assert words_of(text, tokens) == whole
    assert whole.count(END) == 4 * 9 + 1  # four line ends or <eos> in each, and the last


def test_codes_take_as_many_bytes_as_the_vocabulary_needs():
    for size, kind in ((250, "uint8"), (300, "uint16")):
        parts, words = numbered((" ".join(map(str, range(size))) * 2 + " 0 1", "0", "1"), "blanks")
        text = coded_words(parts, words, 0, "f")
        assert [part.dtype for part in text[:3]] == [kind, "int32", "int32"]
        assert text_of_words(text.train, text.symbols).split()[-2:] == ["0", "1"]


def test_codes_and_text_are_inverse():
    words = ("<eos>", "a", "b", "<unk>")
    codes = codes_of_words("<eos> a b <eos> <eos> a <unk>".split(), words)
    assert text_of_words(codes, words) == "\na b\n\na <unk>"
    with pytest.raises(UserError, match="'z' is not among the 4 words"):
        codes_of_words(["a", "z"], words)


@pytest.mark.parametrize("content", [b"", b"\n \n\n", b"<unk>\n" * 9])
def test_files_without_words(tmp_path, content):
    (tmp_path / "f.txt").write_bytes(content)
    with pytest.raises(UserError, match="no words"):
        word_corpora.load(str(tmp_path / "f.txt"), **CUTS)


def test_own_file_windows_line_ends(tmp_path):
    (tmp_path / "f.txt").write_bytes(b"a b a b.\r\n" * 10)
    text = word_corpora.load(str(tmp_path / "f.txt"), **CUTS)
    assert text.symbols == ("a", "b", ".", "<eos>", "<unk>")
    assert [len(part) for part in text[:3]] == [48, 7, 7]


def test_parts_may_be_files_of_their_own(tmp_path, raw_dir):
    (tmp_path / "f.txt").write_text("a b a b.\n" * 10)
    (tmp_path / "t.txt").write_text("b z\n")
    test = str(tmp_path / "t.txt")
    text = word_corpora.load(str(tmp_path / "f.txt"), **CUTS, test=test)
    assert text_of_words(text.test[1:], text.symbols).split() == ["b", "<unk>"]
    assert len(text.train) + len(text.valid) - 1 == 60
    both = word_corpora.load(str(tmp_path / "f.txt"), **CUTS, test=test, valid=test)
    assert len(both.train) == 60 and (both.valid == both.test).all()
    published = word_corpora.load("penn_treebank", **CUTS, raw_dir=str(raw_dir), test=test)
    assert len(published.test) == 4 and len(published.valid) == 73_761


def test_unknown_names_and_missing_files(tmp_path):
    with pytest.raises(UserError, match="choose python, penn_treebank, wikitext2"):
        word_corpora.load("latin", **CUTS)
    with pytest.raises(UserError, match="cannot be read"):
        word_corpora.load(str(tmp_path / "none.txt"), **CUTS)
    with pytest.raises(UserError, match="ptb.train.txt"):
        word_corpora.load("penn_treebank", **CUTS, raw_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "sizes", "words"),
    [
        ("penn_treebank", (929_589, 73_760, 82_430), 10_000),
        ("wikitext2", (2_088_628, 217_646, 245_569), 33_278),
    ],
)
def test_published_texts(raw_dir, name, sizes, words):
    text = word_corpora.load(name, **CUTS, raw_dir=str(raw_dir))
    assert (len(text.train), len(text.valid) - 1, len(text.test) - 1) == sizes
    assert len(text.symbols) == words


def test_python_s_topics_have_no_tables_and_no_repeated_paragraphs():
    lines = word_corpora.paragraphs().splitlines()
    assert len(lines) > 1000 and len(set(lines)) == len(lines)
    assert not [line for line in lines if "----" in line or "====" in line or "+--" in line]
    text = word_corpora.load("python", **CUTS | {"vocabulary": 500})
    assert len(text.symbols) == 500 and np.bincount(text.train, minlength=500).min() > 0
