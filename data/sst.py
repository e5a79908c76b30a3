"""The Stanford Sentiment Treebank: film reviews as trees, every phrase labelled from 0 to 4.

    sst5   very negative, negative, neutral, positive, very positive
    sst2   negative or positive; neutral sentences are left out

The training part is the set of all distinct phrases; whole sentences are used for validation and
test (Socher et al. 2013).
"""

import re
from pathlib import Path

from data.errors import UserError
from data.lines import lines_of
from data.raw import RawFile, raw_file
from data.sentences import Corpus, Sentences

_URL = "https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip"
FILES = {
    part: RawFile("sst", f"{part}.txt", (_URL,), size, sha256, archive="zip")
    for part, size, sha256 in (
        ("train", 2_160_058, "e2f3f41b0b1e6d4dddc0effe3bfc2d27ed8928079aa9a03d652311614fc5feb7"),
        ("dev", 280_825, "0e9336aed6e4730e19f58d00a77b3f0297efdb755f7b5e598c98a05e3f97ea40"),
        ("test", 559_614, "6e54806dee95cf80cd918e7dfb3f6770f6df24bf826f289a4d1f709e1c8f6761"),
    )
}
NAMES = ("very negative", "negative", "neutral", "positive", "very positive")
TOKEN = re.compile(r"\(|\)|[^ \t()]+")  # some words contain a no-break blank


def phrases(line: str, where: str) -> list[tuple[int, list[str]]]:
    """(label, words) of every phrase of a tree; the whole sentence comes last.

    Raises:
      UserError: the line is not a tree; `where` says which line it is.
    """
    stack, found = [], []
    for token in TOKEN.findall(line):
        if token == "(":
            stack.append([None, []])
        elif token == ")" and stack and stack[-1][0] is not None and stack[-1][1]:
            label, words = stack.pop()
            found.append((label, words))
            if stack:
                stack[-1][1].extend(words)
        elif stack and stack[-1][0] is None and token in tuple("01234"):
            stack[-1][0] = int(token)
        elif stack and stack[-1][0] is not None and token not in "()":
            stack[-1][1].append(token.replace("\\/", "/").replace("\\*", "*"))
        else:
            raise UserError(f"{where} is not a tree such as (3 (2 so) (4 good)).")
    if stack or not found:
        raise UserError(f"{where} is not a tree such as (3 (2 so) (4 good)).")
    return found


def trees(content: bytes, name: str) -> list[list[tuple[int, list[str]]]]:
    """The `phrases` of every line of a file."""
    lines = enumerate(lines_of(content, name), 1)
    return [phrases(line, f"{name}, line {n}") for n, line in lines if line.strip()]


def corpus(train, valid, test, classes: int) -> Corpus:
    """The corpus made of the trees of the three parts; `classes` is 5 or 2."""
    unique = {}
    for tree in train:
        for label, words in tree:
            unique[tuple(words)] = label
    parts = [
        [(label, list(words)) for words, label in unique.items()],
        [tree[-1] for tree in valid],
        [tree[-1] for tree in test],
    ]
    return Corpus(*(_sentences(part, classes) for part in parts), whole=True)


def _sentences(labelled: list[tuple[int, list[str]]], classes: int) -> Sentences:
    if classes == 2:
        labelled = [(1 if label < 2 else 3, words) for label, words in labelled if label != 2]
    return Sentences([words for _, words in labelled], [[NAMES[label]] for label, _ in labelled])


def load(classes: int, raw_dir: str | None, download_dir: str | Path) -> Corpus:
    """The treebank with 5 labels or 2; raises UserError as `raw_file` does."""
    paths = [raw_file(file, raw_dir, download_dir) for file in FILES.values()]
    return corpus(*(trees(path.read_bytes(), str(path)) for path in paths), classes)
