"""Vocabularies of words, characters and subwords: decoding inverts encoding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import vocabulary
from data.errors import UserError
from data.vocabulary import SPECIAL, UNITS, UNKNOWN, build, from_json

LINES = [
    "Two men, in hats, don't walk.",
    'He said: "no (never)!" - 3.5 times',
    "Zwei Männer gehen über die Straße.",
    "a-b c/d",
] * 10


def vocabulary_of(unit, lines=LINES):
    return build(lines, unit, 90, 1)


@pytest.mark.parametrize("unit", UNITS)
def test_decoding_inverts_encoding(unit):
    known = vocabulary_of(unit)
    for line in LINES:
        assert known.text(known.codes(line)) == line
    assert known.codes("") == known.codes("   ") == []
    assert known.text([]) == ""


@pytest.mark.parametrize("unit", UNITS)
def test_from_json_inverts_to_json(unit):
    known = vocabulary_of(unit)
    again = from_json(known.to_json())
    assert len(again) == len(known) and again.codes(LINES[1]) == known.codes(LINES[1])


@pytest.mark.parametrize("unit", UNITS)
def test_the_same_text_has_the_same_vocabulary(unit):
    assert vocabulary_of(unit).to_json() == vocabulary_of(unit, list(LINES)).to_json()


@pytest.mark.parametrize("unit", UNITS)
def test_special_codes_are_not_decoded(unit):
    known = vocabulary_of(unit)
    codes = known.codes("a-b c/d")
    assert known.text([2, *codes, 3, 0, 0]) == "a-b c/d"


@pytest.mark.parametrize("unit", UNITS)
def test_unknown_words_are_decoded_as_unknown(unit):
    known = vocabulary_of(unit)
    codes = known.codes("a 雪")
    assert UNKNOWN in codes and SPECIAL[UNKNOWN] in known.text(codes)


@given(st.text(max_size=40))
def test_splitting_loses_nothing_but_blanks(line):
    for unit in ("words", "characters"):
        assert "".join(vocabulary.split(line, unit)).strip() == " ".join(line.split())


RESERVED = "\u2581 \u2585 \t \0 <s> </s> <pad> <unk> \ufdd1"
ODD = "a dog ran\u2026  \u00bd \ufb01 20\u00a0000 e\u0301 \u2460 \uff21 \u2003x"
SUBWORDS = build([*LINES, ODD, f"x {RESERVED} y"], "subwords", 120, 1)


@pytest.mark.parametrize("line", [ODD, *RESERVED.split(" ")[:-1], f"x {RESERVED[:-2]} y"])
def test_subwords_do_not_change_the_text(line):
    line = line.strip()
    assert SUBWORDS.text(SUBWORDS.codes(line)) == line and UNKNOWN not in SUBWORDS.codes(line)


@given(st.text(alphabet=sorted({*"".join(LINES), *ODD, *RESERVED[:-1]})))
def test_any_known_characters_come_back_as_they_were(line):
    assert SUBWORDS.text(SUBWORDS.codes(line)) == line.strip()


@pytest.mark.parametrize("odd", ["z" * 4200 + "\u2603", "\u2585\u2603", "\0\u2603", "\t\u2603"])
def test_no_line_is_left_out_of_the_subwords(odd):
    known = build([*LINES, odd], "subwords", 90, 1)
    assert UNKNOWN not in known.codes("\u2603")


def test_rare_words_are_left_out():
    known = build(["a a b", "a c"], "words", 0, 2)
    assert known.pieces == (*SPECIAL, " a")
    assert known.text(known.codes("a b")) == "a <unk>"


@pytest.mark.parametrize(("unit", "kept"), [("words", " a"), ("characters", " ")])
def test_the_most_frequent_words_and_characters_are_kept(unit, kept):
    lines = ["a a a b b c"]
    assert build(lines, unit, 5, 1).pieces == (*SPECIAL, kept)
    assert len(build(lines, unit, 6, 1)) == 6
    whole = build(lines, unit, 0, 1)
    assert whole.pieces[4] == kept and len(whole) == (7 if unit == "words" else 8)
    assert build(lines, unit, 1000, 1).pieces == whole.pieces


def test_impossible_vocabularies():
    for unit, size in (("words", 4), ("characters", 1), ("subwords", 0), ("subwords", 3)):
        with pytest.raises(UserError, match=f"--vocabulary={size} is too small for {unit}"):
            build(["a b"], unit, size, 1)
    with pytest.raises(UserError, match="least_count"):
        build(["a b"], "words", 0, 2)
    with pytest.raises(UserError, match="give at most 9"):
        build(["a b"] * 9, "subwords", 5000, 1)
    with pytest.raises(UserError, match="--vocabulary=5 .* give at least 7"):
        build(["a b"] * 9, "subwords", 5, 1)
    assert len(build(["a b"] * 9, "subwords", 7, 1)) == 7


def test_words_are_coded_alike_however_many_are_remembered(monkeypatch):
    lines = ["a dog, a\u00a0cat", "don't say: dog\tcat.", "a dog, a cat! <unk>"] * 2
    known = build(lines, "words", 0, 2)
    codes = [known.codes(line) for line in lines]
    assert codes[:3] == codes[3:]
    assert [[known.pieces[code] for code in row] for row in codes[:1]] == [
        [" a", " dog", ",", " a", " cat"]
    ]
    monkeypatch.setattr("data.vocabulary._Remembered.MOST", 1)
    assert [build(lines, "words", 0, 2).codes(line) for line in lines] == codes


PARTS = [*" \t\u00a0\u2581abimnT.☃\0", "  ", "wo m", "ein", "Two", " the"]


@given(st.lists(st.sampled_from(PARTS)).map("".join))
def test_subwords_between_blanks_are_those_of_the_whole_line(line):
    whole = SUBWORDS._processor.encode(line.strip().translate(vocabulary._RESERVED))
    assert SUBWORDS.codes(line) == whole
