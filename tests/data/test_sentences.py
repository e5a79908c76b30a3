"""Labelled sentences as codes of words, letters and labels."""

import tracemalloc

import pytest

from data.errors import UserError
from data.sentences import DIGITS, Corpus, Sentences, check, coded, coding_of, unseen_labels


def corpus_of(train, test=(("a", "A"),)):
    def part(sentences):
        return Sentences(*([[pair[side] for pair in s] for s in sentences] for side in (0, 1)))

    return Corpus(part(train), part([test]), part([test]))


def test_words_letters_and_labels_have_codes():
    corpus = corpus_of([[("The", "A"), ("the", "A"), ("cat1", "B")]], [("dogs", "C"), ("THE", "A")])
    coding = coding_of(corpus, lowercase=True, least=1, longest=4)
    assert coding.words == ("the", "cat1") and coding.frequent == 1
    assert coding.labels == ("A", "B", "C") and unseen_labels(corpus) == ["C"]
    test = coded(corpus.test, coding)
    assert test.words[0].tolist() == [0, 1] and test.labels[0].tolist() == [2, 0]
    spelled = ["".join(coding.letters[code - 1] for code in row) for row in test.letters[0][:1]]
    assert spelled == ["dogs"]
    train = coded(corpus.train, coding)
    assert train.letters[0][0].tolist()[3] == 0  # "The" is one letter shorter than four
    again = coding_of(corpus, lowercase=True, least=2, longest=4)
    assert again.words == ("the",) and again.facts() != coding.facts()
    known = coding_of(corpus, lowercase=True, least=2, longest=4, known=["dogs", "birds"])
    assert known.words == ("the", "dogs")


YEARS = [("in", "A"), ("1999", "B"), ("and", "A"), ("2014", "B")]


def test_words_with_digits_are_looked_up_as_written():
    corpus = corpus_of([YEARS], [("1999", "B"), ("2015", "B")])
    coding = coding_of(corpus, lowercase=True, least=1, longest=4)
    assert coding.words == ("in", "1999", "and", "2014")
    assert coded(corpus.test, coding).words[0].tolist() == [2, 0]


def test_digits_may_be_read_as_0_but_not_those_of_words_with_vectors():
    corpus = corpus_of([YEARS], [("1999", "B"), ("2015", "B"), ("7", "B")])
    coding = coding_of(corpus, lowercase=True, least=1, longest=4, digits="0")
    assert coding.words == ("0000", "in", "and")
    assert coded(corpus.test, coding).words[0].tolist() == [1, 1, 0]
    coding = coding_of(
        corpus, lowercase=True, least=1, longest=4, digits="0", known=["7", "1999", "0"]
    )
    assert coding.words == ("in", "1999", "and", "0000", "7")
    assert coded(corpus.test, coding).words[0].tolist() == [2, 4, 5]


@pytest.mark.parametrize("digits", DIGITS)
def test_given_vectors_of_numbers_are_looked_up(digits):
    numbers = [(str(n), "AB"[n % 2]) for n in range(1, 10)]
    corpus = corpus_of([[("a", "A")]], numbers)
    known = [word for word, _ in numbers]
    coding = coding_of(corpus, lowercase=True, least=1, longest=4, digits=digits, known=known)
    found = coded(corpus.test, coding).words[0]
    assert [coding.words[code - 1] for code in found] == known


def test_facts_of_runs_from_before_there_was_a_choice_are_the_same():
    old = corpus_of([[("The", "A"), ("cat1", "B")]], [("of", "A")])
    zero, kept = (
        coding_of(old, lowercase=True, least=1, longest=4, digits=d) for d in ("0", "kept")
    )
    assert zero.facts() == {"coding": "b16b0e1772b483e9"} != kept.facts()
    without = corpus_of([[("The", "A"), ("cat", "B")]], [("7", "A")])
    zero, kept = (
        coding_of(without, lowercase=True, least=1, longest=4, digits=d) for d in ("0", "kept")
    )
    assert zero.facts() == kept.facts()  # no word of the vocabulary has a digit: same codes
    only_0 = corpus_of([[("The", "A"), ("0", "B")]], [("7", "A")])
    zero, kept = (
        coding_of(only_0, lowercase=True, least=1, longest=4, digits=d) for d in ("0", "kept")
    )
    assert zero.words == kept.words and zero.facts() != kept.facts()


def test_both_ends_of_a_long_word_are_read():
    corpus = corpus_of([[("abcdefgh", "A"), ("b", "B")]])
    coding = coding_of(corpus, lowercase=True, least=1, longest=5)
    codes = coded(corpus.train, coding).letters[0][0]
    assert "".join(coding.letters[code - 1] for code in codes) == "abfgh"
    assert coded(corpus.train, coding, letters=False).letters is None


def test_letters_that_nothing_reads_are_neither_numbered_nor_held(monkeypatch):
    corpus = corpus_of([[(f"word{n}", "AB"[n % 2]) for n in range(1000)]])
    coding = coding_of(corpus, lowercase=True, least=1, longest=5000)

    def peak(letters: bool) -> int:
        tracemalloc.start()
        found = coded(corpus.train, coding, letters)
        held, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (found.letters is not None) == letters and (held > 2**20) == letters
        return most

    assert peak(letters=True) > 1000 * 5000 * 2  # bytes
    monkeypatch.setattr("data.sentences._spelled", None)  # nobody asks for a word's letters
    assert peak(letters=False) < 2**19


def test_words_of_one_form_are_counted_together():
    corpus = corpus_of([[("The", "A"), ("1", "B"), ("the", "A"), ("2", "B"), ("THE", "A")]])
    coding = coding_of(corpus, lowercase=True, least=2, longest=4, digits="0")
    assert coding.words == ("the", "0") and coding.frequent == 2


def test_a_sentence_of_two_thousand_words_is_read():
    long = [[("w", "A"), ("v", "B")] * 1000, [("w", "A")]]
    train = coded(corpus_of(long).train, coding_of(corpus_of(long), lowercase=True, least=1,
                                                   longest=4))  # fmt: skip
    assert train.lengths.tolist() == [2000, 1]


def test_a_corpus_with_nothing_to_learn_is_refused():
    with pytest.raises(UserError, match="the same label"):
        check(corpus_of([[("a", "A"), ("b", "A")]]), "mine")
    with pytest.raises(UserError, match="the training part has no sentences"):
        check(corpus_of([]), "mine")
