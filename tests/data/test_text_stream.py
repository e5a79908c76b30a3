"""Text read piece by piece, and the texts by name (`data/vector_texts.py`)."""

import gzip
import itertools
import lzma

import numpy as np
import pytest

from data import text_stream, vector_texts
from data.errors import UserError
from data.text_stream import between_words, read_pieces, word_stream

TEXT = "The cat sat.\nthe  dog\tsat (the end)\n\nThe cat é\r\nthe"
CHOICES = {"tokens": "marks", "lowercase": True, "least": 2, "name": "x"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_plain_and_packed_files_give_the_same_text(pack, tmp_path):
    path = tmp_path / "text"
    path.write_bytes(pack(b"\xef\xbb\xbf" + TEXT.encode()))
    assert "".join(read_pieces(path)) == TEXT.replace("\r\n", "\n")


def test_the_words_do_not_depend_on_the_pieces(tmp_path, monkeypatch):
    whole = word_stream([TEXT], **CHOICES)
    path = tmp_path / "text"
    path.write_text(TEXT)
    for size in (1, 2, 5, 11):
        monkeypatch.setattr(text_stream, "PIECE", size)
        found = list(read_pieces(path))
        assert len(found) > 40 / size / 2 and "".join(found) == TEXT.replace("\r\n", "\n")
    pieces = list(between_words([TEXT[:9], TEXT[9:20], TEXT[20:]]))
    assert pieces == ["The cat ", "sat.\nthe  ", TEXT[18:].rpartition(" ")[0] + " ",
                      "é\r\nthe"] or "".join(pieces) == TEXT  # fmt: skip
    other = word_stream(between_words([TEXT[:9], TEXT[9:20], TEXT[20:]]), **CHOICES)
    assert other.words == whole.words and other.codes.tolist() == whole.codes.tolist()


def test_frequent_words_alone_are_read_and_lines_end():
    found = word_stream([TEXT], **CHOICES)
    assert found.words == ("the", "cat", "sat") and found.counts.tolist() == [5, 2, 2]
    said = " ".join(found.words[code] for code in found.codes)
    assert said == "the cat sat the sat the the cat the"
    assert found.line_ends.tolist() == [3, 6, 8] and found.read == 15
    cased = word_stream([TEXT], **CHOICES | {"lowercase": False, "tokens": "blanks"})
    assert cased.words == ("The", "cat", "the") or cased.words == ("The", "the", "cat")


def test_unknown_words_are_left_out():
    found = word_stream(["a <unk> b a <unk> b <unk>\n"], **CHOICES)
    assert found.words == ("a", "b") and found.codes.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("", "has no words"), ("\n \n", "has no words"), ("a b c", "no word occurs 2 times"),
     ("a b a", "a single word occurs 2 times")],
)  # fmt: skip
def test_texts_with_too_few_words(text, sentence):
    with pytest.raises(UserError, match=sentence):
        word_stream([text], **CHOICES)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a \xff b", "not UTF-8 text .a byte of it is 0xff"), (b"a\0b", "zero byte"),
        (gzip.compress(b"text " * 99)[:-9], "damaged"), (b"\x1f\x8bnothing", "damaged"),
        (lzma.compress(b"text " * 99)[:30], "damaged"), (b"\xfd7zXZ\0bad", "damaged"),
        (b"PK\x03\x04....", "a zip archive"),
    ],
    ids=[*"abcdefg"],
)  # fmt: skip
def test_files_that_are_no_text(content, sentence, tmp_path):
    path = tmp_path / "text"
    path.write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        list(read_pieces(path))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_bombs_are_refused(pack, tmp_path, monkeypatch):
    monkeypatch.setattr(text_stream, "expansion_limit", lambda size: 10_000)
    path = tmp_path / "bomb"
    path.write_bytes(pack(b"a " * 10**6))
    with pytest.raises(UserError, match="expands to far more than its size"):
        list(read_pieces(path))


def test_facts_tell_texts_apart():
    one, two, three = (word_stream([text], **CHOICES).facts
                       for text in ("a b a b", "a b\na b", "a a b b"))  # fmt: skip
    assert one["words"] == "a b" and len({f["text"] for f in (one, two, three)}) == 3


def test_the_generated_text_is_always_the_same_and_its_words_have_classes(monkeypatch):
    monkeypatch.setattr(vector_texts, "SENTENCES", 200)
    one, two = (vector_texts.load("grammar", tokens="marks", lowercase=True, least=1)
                for _ in range(2))  # fmt: skip
    assert one.facts == two.facts and len(one.line_ends) == 200
    assert set(one.words) == set(vector_texts.CLASSES)


def test_texts_by_name():
    python = vector_texts.load("python", tokens="marks", lowercase=True, least=5)
    assert "function" in python.words and len(python.words) > 1000
    with pytest.raises(UserError, match="choose grammar, python, wikitext2, text8"):
        vector_texts.load("nothing", tokens="marks", lowercase=True, least=5)


def test_text8_is_never_downloaded(monkeypatch):
    monkeypatch.delenv("UNFOLD_RAW_DIR", raising=False)
    with pytest.raises(UserError, match="put the first 6,877,825 bytes"):
        vector_texts.load("text8", tokens="blanks", lowercase=True, least=5)


def test_text8(raw_dir):
    """As many words as the authors' program counts, without its word for the line's end."""
    text = vector_texts.load("text8", tokens="blanks", lowercase=True, least=5, raw_dir=raw_dir)
    assert (text.read, len(text.words)) == (1_171_946, 15_440) and text.words[0] == "the"
    assert np.all(np.diff(text.counts) <= 0)
    assert list(itertools.islice(map(text.words.__getitem__, text.codes), 3)) == [
        "anarchism", "originated", "as"
    ]  # fmt: skip
