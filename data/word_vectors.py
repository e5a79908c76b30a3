"""Word vectors: reading files of word2vec, GloVe and fastText, and making vectors.

In the text format each line is a word and its numbers, separated by blanks or tabs; the first line
may be word2vec's header with two counts. In word2vec's binary format the header is followed by each
word, a blank and its numbers as 32-bit floats. Headers are checked against what follows them; no
memory is allocated for what they claim. Either format may be compressed with gzip.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from data.errors import UserError
from data.files import read_unpacked
from data.lines import each_line

HEADER = re.compile(r"([0-9]{1,18})[ \t]+([0-9]{1,18})[ \t]*\r?")  # number of vectors, their length
CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")  # bytes that no text has and floats are full of
SAMPLE = 2**16  # bytes after the header that are searched for them
LONGEST_WORD = 2**12  # bytes, in the binary format
FASTTEXT, PICKLE = b"\xba\x16\x4f\x2f", b"\x80"
_BLANKS = re.compile(r"[ \t]+")


def read_vectors(path: str | Path) -> tuple[list[str], np.ndarray]:
    """Reads words and their vectors float32 [V, D]; of a repeated word the first vector counts.

    Raises:
      UserError: the file cannot be read, is empty, of another format, or contradicts its header;
        or a line has too many or too few numbers, or something that is no number. Names the file
        and the line.
    """
    advice = "give a file of vectors by --vectors, or make one with ./launch.sh tagger vectors"
    return parse_vectors(read_unpacked(path, advice), str(path))


def parse_vectors(content: bytes, name: str) -> tuple[list[str], np.ndarray]:
    """Like `read_vectors`, from the bytes of a file; `name` is used in errors."""
    if content.startswith((FASTTEXT, PICKLE)):
        kind = "fastText's binary" if content.startswith(FASTTEXT) else "a pickled Python"
        raise UserError(
            f"{name} is {kind} model; save its vectors in the text format of word2vec."
        )
    header, _, rest = content.partition(b"\n")
    claimed = HEADER.fullmatch(header.decode("latin-1"))
    if claimed and CONTROL.search(rest, 0, SAMPLE):
        return _binary(rest, name, *map(int, claimed.groups()))
    return _text(each_line(content, name), name)


def _text(lines: Iterable[str], name: str) -> tuple[list[str], np.ndarray]:
    found: dict[str, np.ndarray] = {}
    claimed, width, first, rows = None, None, 0, 0
    for number, line in enumerate(lines, 1):
        if not line.strip(" \t"):
            continue
        if number == 1 and (header := HEADER.fullmatch(line)):
            claimed, width = map(int, header.groups())
            first = number
            continue
        cells = _BLANKS.split(line.strip(" \t"))
        if width is None:
            width, first = _width(cells), number
        word, vector = _row(cells, width, f"{name}, line {number}", first)
        found.setdefault(word, vector)
        rows += 1
    if not found:
        raise UserError(f"{name} has no vectors; give a file with a word and numbers on each line.")
    if claimed not in (None, rows):
        raise _contradiction(name, claimed, width, f"has {rows:,}")
    return list(found), np.stack(list(found.values()))


def _width(cells: Sequence[str]) -> int:
    """How many numbers end a line; the word before them may contain blanks, or be a number."""
    numbers = 0
    while numbers < len(cells) - 1 and _is_number(cells[-1 - numbers]):
        numbers += 1
    return numbers


def _row(cells: Sequence[str], width: int, where: str, first: int) -> tuple[str, np.ndarray]:
    """The word and vector of a line; its `width` comes from line `first` or from the header."""
    words = len(cells) - width
    if width < 1 or (words < 1 and not all(map(_is_number, cells[1:]))):
        raise UserError(f"{where} is not a word followed by numbers; fix that line.")
    if words < 1 or (words > 1 and _is_number(cells[words - 1])):
        raise UserError(
            f"{where} has {len(cells) - 1} numbers and line {first} gives {width}; all vectors "
            "must have the same length."
        )
    try:
        vector = _numbers(cells[words:])
    except ValueError:
        raise UserError(f"{where} is not a word followed by numbers; fix that line.") from None
    if not np.isfinite(vector).all():
        raise UserError(f"{where} has a number that is not finite; fix it.")
    return " ".join(cells[:words]), vector


def _numbers(cells: Sequence[str]) -> np.ndarray:
    """Decimal numbers as float32; raises ValueError, also for 1_0 and digits of other scripts."""
    text = "".join(cells)
    if "_" in text or not text.isascii():
        raise ValueError(text)
    with np.errstate(over="ignore"):  # too large is infinite, and refused
        return np.array(cells, np.float32)


def _is_number(cell: str) -> bool:
    try:
        _numbers([cell])
    except ValueError:
        return False
    return True


def _binary(content: bytes, name: str, count: int, width: int) -> tuple[list[str], np.ndarray]:
    """The records after the header of word2vec's binary format: a word, a blank, its floats."""
    found: dict[str, np.ndarray] = {}
    at = 0
    for row in range(count):
        blank = content.find(b" ", at, at + LONGEST_WORD)
        end = blank + 1 + 4 * width
        if blank < 0 or end > len(content):
            raise _contradiction(name, count, width, f"ends after {row:,}")
        word = content[at:blank].lstrip(b"\n").decode("utf-8", "replace")
        found.setdefault(word, np.frombuffer(content, "<f4", width, blank + 1))
        at = end
    if content[at:].strip() or not found or not width:
        raise _contradiction(name, count, width, "has other data")
    vectors = np.stack(list(found.values())).astype(np.float32)
    if not np.isfinite(vectors).all():
        raise UserError(f"{name} has a number that is not finite; get the file again.")
    return list(found), vectors


def _contradiction(name: str, count: int, width: int, found: str) -> UserError:
    return UserError(
        f"{name} announces {count:,} vectors of {width:,} numbers in its first line but {found}; "
        "get the file again, or correct that line."
    )


def vector_lines(words: Sequence[str], vectors: np.ndarray) -> Iterator[str]:
    """Yields the lines of a file in word2vec's text format."""
    yield f"{len(words)} {vectors.shape[1]}\n"
    for word, vector in zip(words, vectors, strict=True):
        yield f"{word} {' '.join(f'{x:.5g}' for x in vector)}\n"


def binary_vectors(words: Sequence[str], vectors: np.ndarray) -> bytes:
    """The content of a file in word2vec's binary format."""
    rows = (word.encode() + b" " + row.tobytes() + b"\n"
            for word, row in zip(words, vectors.astype("<f4"), strict=True))  # fmt: skip
    return b"%d %d\n" % vectors.shape + b"".join(rows)


def cooccurrences(
    sentences: Iterable[Sequence[int]], size: int, window: int
) -> sparse.csr_matrix:
    """Counts how often each word occurs near each other word: [size, size], symmetric.

    A pair at distance d counts (window + 1 - d) / window, the expectation of a randomly drawn
    window width (Mikolov et al. 2013). Words are codes below `size`; negative codes take up a
    position but are not counted.
    """
    flat = np.concatenate([np.append(np.asarray(s, np.int64), [-1] * window) for s in sentences])
    total = sparse.csr_matrix((size, size), dtype=np.float32)
    for distance in range(1, window + 1):
        left, right = flat[:-distance], flat[distance:]
        both = (left >= 0) & (right >= 0)
        weight = np.full(both.sum(), (window + 1 - distance) / window, np.float32)
        total += sparse.coo_matrix((weight, (left[both], right[both])), (size, size)).tocsr()
    return total + total.T


def ppmi_vectors(counts: sparse.csr_matrix, width: int, shift: float = 1.0) -> np.ndarray:
    """Vectors [V, width] by truncated SVD of positive pointwise mutual information (PPMI).

    PPMI = max(0, log p(w, c) / (p(w) p'(c)) - log shift), where p'(c) is proportional to
    p(c)^0.75; vectors = U sqrt(S), scaled to a mean square of 1 (Levy, Goldberg and Dagan 2015).
    """
    pairs = counts.tocoo()
    rows = np.asarray(counts.sum(1)).ravel()
    smooth = rows**0.75
    information = np.log(
        pairs.data * smooth.sum() / (rows[pairs.row] * smooth[pairs.col])
    ) - np.log(shift)
    kept = information > 0
    matrix = sparse.csr_matrix(
        (information[kept], (pairs.row[kept], pairs.col[kept])), counts.shape
    )
    first = np.random.default_rng(0).normal(size=counts.shape[0])
    u, s, _ = svds(matrix.astype(np.float64), k=width, v0=first)
    vectors = (u * np.sqrt(s))[:, ::-1]
    return (vectors / np.sqrt(np.mean(vectors**2))).astype(np.float32)


def vocabulary(sentences: Iterable[Sequence[str]], least: int, most: int) -> list[str]:
    """The words that occur `least` times or more, most frequent first, at most `most` of them."""
    counts = Counter(word for sentence in sentences for word in sentence)
    return [word for word, n in counts.most_common(most) if n >= least]
