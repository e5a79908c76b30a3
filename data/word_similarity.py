"""Tests of word vectors: analogies, and pairs of words that people have judged.

questions-words.txt  19,544 analogies in 14 sections, five of them of meaning (Mikolov et al. 2013)
EN-WS-353-ALL.txt    353 pairs by relatedness, 0 to 10 (Finkelstein et al. 2002)
EN-SIMLEX-999.txt    999 pairs by similarity alone, 0 to 10 (Hill, Reichart and Korhonen 2015)
"""

from collections.abc import Iterable
from typing import NamedTuple

from data.corpora import published_file
from data.errors import UserError
from data.lines import lines_of
from data.raw import RawFile, download_folder, raw_file

_PAIRS = (
    "https://raw.githubusercontent.com/mfaruqui/eval-word-vectors/"
    "94b3dd9fdbac7ed08dbee7179cd5ee464acf0594/data/word-sim/"
)
QUESTIONS = published_file(
    "word2vec_eval",
    "https://raw.githubusercontent.com/tmikolov/word2vec/"
    "20c129af10659f7c50e86e3be406df663beff438/questions-words.txt",
    603_955, "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
)  # fmt: skip
WORDSIM = published_file(
    "word2vec_eval", f"{_PAIRS}EN-WS-353-ALL.txt", 7_405,
    "ce12919b240af45bdf46d243601eaca2b6212b159b5e7e9b435ee7ee40c5619c",
)  # fmt: skip
SIMLEX = published_file(
    "word2vec_eval", f"{_PAIRS}EN-SIMLEX-999.txt", 18_024,
    "405394ffb7d25f6d0e3c041f87c9f27d29dc6b047506769953e85c4523b11685",
)  # fmt: skip
FILES = (QUESTIONS, WORDSIM, SIMLEX)
SEMANTIC = 5  # the first sections are of meaning, the others of grammar


class Analogies(NamedTuple):
    """Questions `a is to b as c is to d`, by section."""

    section: str
    questions: list[tuple[str, str, str, str]]


class Pair(NamedTuple):
    """Two words and how alike people find them."""

    first: str
    second: str
    score: float


class WordTests(NamedTuple):
    """The published tests."""

    analogies: list[Analogies]
    wordsim: list[Pair]
    simlex: list[Pair]


def load(data_dir: str = "", raw_dir: str = "") -> WordTests:
    """The three tests; raises UserError if a file cannot be had."""

    def lines(file: RawFile) -> list[str]:
        path = raw_file(file, raw_dir or None, download_folder(data_dir))
        return lines_of(path.read_bytes(), file.name)

    pairs = (_pairs(lines(file), file.name) for file in (WORDSIM, SIMLEX))
    return WordTests(_analogies(lines(QUESTIONS), QUESTIONS.name), *pairs)


def _analogies(lines: Iterable[str], name: str) -> list[Analogies]:
    found: list[Analogies] = []
    for line in lines:
        words = line.split()
        if line.startswith(":"):
            found.append(Analogies(line[1:].strip(), []))
        elif len(words) == 4 and found:
            found[-1].questions.append(tuple(words))
        elif words:
            raise UserError(f"{name}: {line!r} is no question of four words; get the file again.")
    return found


def _pairs(lines: Iterable[str], name: str) -> list[Pair]:
    cells = [line.split() for line in lines if line.strip()]
    try:
        return [Pair(first, second, float(score)) for first, second, score in cells]
    except ValueError:
        raise UserError(f"{name} is not two words and a number a line; get it again.") from None
