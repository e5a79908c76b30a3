"""Texts by name or path (`data/corpora.py`): codes, parts, mistakes; `data/ngrams.py`."""

import math

import numpy as np
import pytest

from data import corpora, ngrams
from data.batches import windows, windows_in_a_pass
from data.errors import UserError
from data.text import Text, coded, codes_of, decoded, encoded, read_file, text_of, three_parts

CUTS = {"valid_percent": 10, "test_percent": 10}


@pytest.mark.parametrize(
    ("unit", "content"), [("bytes", bytes(range(256))), ("characters", "Ünï\r\n ☃ 𝄞".encode())]
)
def test_decoding_and_encoding_are_inverse(unit, content):
    assert encoded(decoded(content, unit, "f"), unit) == content


def test_codes_and_text_are_inverse_and_the_alphabet_is_sorted():
    text = coded(("banana\n", "☃", "an"), "f")
    assert text.symbols == "\nabn☃"
    assert text_of(text.train, text.symbols) == "banana\n"
    assert codes_of("nab", text.symbols).tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("size", "kind"), [(2, "uint8"), (256, "uint8"), (257, "uint16"), (2**16 + 1, "int32")]
)
def test_codes_take_as_many_bytes_as_the_alphabet_needs(size, kind, monkeypatch):
    alphabet = "".join(map(chr, range(0x20000, 0x20000 + size)))
    text = coded((alphabet, "", alphabet[::-1]), "f")
    assert [part.dtype for part in text[:3]] == [kind, "int32", "int32"]
    assert text.train.tolist() == text.test[::-1].tolist() == list(range(size))
    assert windows(text.train[:2], 0, 1, 1, 1)[0].dtype == np.int32  # as the device reads them
    monkeypatch.setattr("data.text.PIECE", 100)
    pieced = coded((alphabet, "", alphabet[::-1]), "f")
    assert pieced.facts == text.facts and (pieced.train == text.train).all()


def test_the_three_parts_are_the_text_in_order():
    text = "".join(map(str, range(100)))
    train, valid, test = three_parts(text, 10, 20)
    assert train + valid + test == text
    assert (len(valid), len(test)) == (19, 38)


@pytest.mark.parametrize("name", ["text.txt", "python"])
def test_parts_may_be_files_of_their_own(name, tmp_path):
    for part, text in (("text", "abcdefghij" * 10), ("valid", "aab"), ("test", "bcd!")):
        (tmp_path / f"{part}.txt").write_text(text)
    name = name if name == "python" else str(tmp_path / name)
    paths = {part: str(tmp_path / f"{part}.txt") for part in ("valid", "test")}
    cut = [corpora.load(name, unit="characters", **CUTS, **{k: paths[k] for k in kinds})
           for kinds in ((), ("valid",), ("test",), ("valid", "test"))]  # fmt: skip
    whole = sum(map(len, cut[0][:3]))
    assert len(cut[3].train) == whole and len(cut[1].train) == whole - len(cut[0].test)
    assert len(cut[2].train) == whole - len(cut[0].valid)
    for text in (cut[2], cut[3]):
        assert text_of(text.test, text.symbols) == "bcd!"
    for text in (cut[1], cut[3]):
        assert text_of(text.valid, text.symbols) == "aab"
    assert len({text.facts["text"] for text in cut}) == 4  # a checkpoint of one fits no other
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(UserError, match="--test=.*empty.txt is empty"):
        corpora.load(name, unit="bytes", **CUTS, test=str(tmp_path / "empty.txt"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "empty"), (b"a", "nothing but 'a'"), (b"aaaa", "nothing but"), (b"ab\xff\x00", "bytes")],
)
def test_files_without_text(tmp_path, content, sentence):
    (tmp_path / "f.txt").write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        corpora.load(str(tmp_path / "f.txt"), unit="characters", **CUTS)


def test_missing_files_and_unknown_names(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_file(tmp_path / "none.txt", "bytes")
    with pytest.raises(UserError, match="choose python"):
        corpora.load("latin", unit="bytes", **CUTS)


def test_an_unknown_symbol_is_named():
    with pytest.raises(UserError, match="'☃'"):
        codes_of("a☃", "ab")


def test_facts_identify_a_text():
    one, other = coded(("ab", "a", "b"), "f"), coded(("ab", "b", "a"), "f")
    assert one.facts != other.facts and one.facts["symbols"] == "ab"
    assert one.facts["text"] == "311dd2db037dcb99"  # as in earlier checkpoints


@pytest.mark.parametrize(
    ("name", "unit", "sizes", "symbols"),
    [
        ("shakespeare", "characters", 5_447_743, 84),
        ("tiny_shakespeare", "characters", 1_115_394, 65),
        ("war_and_peace", "bytes", 3_258_246, 87),
        ("ptb_char", "characters", 5_017_482 + 393_042 + 442_423, 50),
    ],
)
def test_published_texts(raw_dir, name, unit, sizes, symbols):
    text = corpora.load(name, unit=unit, raw_dir=str(raw_dir), **CUTS)
    assert sum(map(len, text[:3])) == sizes
    assert len(text.symbols) == symbols


def test_the_embedded_text_needs_no_file():
    text = corpora.load("python", unit="characters", **CUTS)
    assert len(text.train) > 300_000 and set("\n abc") <= set(text.symbols)


def test_windows_continue_where_the_last_stopped():
    text = np.arange(2 * 11)
    assert windows_in_a_pass(22, 2, 3) == 3
    symbols, begins = windows(text, 0, 4, 2, 3)
    assert symbols[:, 0].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9], [0, 1, 2, 3]]
    assert symbols[:, 1].tolist() == (symbols[:, 0] + 11).tolist()
    assert begins[:, 0].tolist() == begins[:, 1].tolist() == [True, False, False, True]
    later, _ = windows(text, 2, 2, 2, 3)
    assert (later == symbols[2:]).all()


def test_a_text_shorter_than_a_step():
    with pytest.raises(UserError, match="5 symbols, .* needs 8"):
        windows(np.arange(5), 0, 1, 2, 3)


def test_ngrams_of_a_large_alphabet_and_in_pieces_are_the_same(monkeypatch):
    text = coded(("the rain in spain", "", "a train in the rain"), "f")
    found = ngrams.unigram_nats(text), ngrams.bigram_nats(text)
    monkeypatch.setattr("data.text.PIECE", 3)
    monkeypatch.setattr("data.ngrams.PIECE", 3)
    assert (ngrams.unigram_nats(text), ngrams.bigram_nats(text)) == found
    monkeypatch.setattr("data.ngrams.DENSE", 0)
    assert ngrams.bigram_nats(text) == found[1]


def test_ngrams_by_hand():
    text = Text(np.array([0, 1, 0, 0]), np.array([]), np.array([0, 0, 1]), "ab")
    # unigram: (3 + 1) / 6 and (1 + 1) / 6; bigram after a: a 1 + 1, b 1 + 1
    assert ngrams.unigram_nats(text) == pytest.approx(-(math.log(4 / 6) + math.log(2 / 6)) / 2)
    assert ngrams.bigram_nats(text) == pytest.approx(math.log(2))
