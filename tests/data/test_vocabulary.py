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


def test_rare_words_are_left_out():
    known = build(["a a b", "a c"], "words", 0, 2)
    assert known.pieces == (*SPECIAL, " a")
    assert known.text(known.codes("a b")) == "a <unk>"


def test_impossible_vocabularies():
    with pytest.raises(UserError, match="least_count"):
        build(["a b"], "words", 0, 2)
    with pytest.raises(UserError, match="give at most 9"):
        build(["a b"] * 9, "subwords", 5000, 1)
