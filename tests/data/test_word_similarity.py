"""The published tests of word vectors."""

import pytest

from data import word_similarity
from data.errors import UserError


def test_published_tests(raw_dir):
    tests = word_similarity.load(raw_dir=str(raw_dir))
    assert len(tests.analogies) == 14 and sum(len(s.questions) for s in tests.analogies) == 19_544
    assert sum(len(s.questions) for s in tests.analogies[: word_similarity.SEMANTIC]) == 8_869
    assert tests.analogies[0].questions[0] == ("Athens", "Greece", "Baghdad", "Iraq")
    assert (len(tests.wordsim), len(tests.simlex)) == (353, 999)
    assert tests.wordsim[0] == ("love", "sex", 6.77) and tests.simlex[0][2] == 1.58


def test_broken_tests():
    with pytest.raises(UserError, match="no question of four words"):
        word_similarity._analogies([": a", "x y z"], "q.txt")
    with pytest.raises(UserError, match="not two words and a number"):
        word_similarity._pairs(["a b c"], "p.txt")
