"""Labelled sentences as codes of words, letters and labels."""

import pytest

from data.errors import UserError
from data.sentences import Corpus, Sentences, check, coded, coding_of, unseen_labels


def corpus_of(train, test=(("a", "A"),)):
    def part(sentences):
        return Sentences(*([[pair[side] for pair in s] for s in sentences] for side in (0, 1)))

    return Corpus(part(train), part([test]), part([test]))


def test_words_letters_and_labels_have_codes():
    corpus = corpus_of([[("The", "A"), ("the", "A"), ("cat1", "B")]], [("dogs", "C"), ("THE", "A")])
    coding = coding_of(corpus, lowercase=True, least=1, longest=4)
    assert coding.words == ("the", "cat0") and coding.frequent == 1
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


def test_both_ends_of_a_long_word_are_read():
    corpus = corpus_of([[("abcdefgh", "A"), ("b", "B")]])
    coding = coding_of(corpus, lowercase=True, least=1, longest=5)
    codes = coded(corpus.train, coding).letters[0][0]
    assert "".join(coding.letters[code - 1] for code in codes) == "abfgh"


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
