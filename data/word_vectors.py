"""Word vectors: reading files in the text format of word2vec and GloVe, and making vectors.

Each line is a word and its numbers, separated by blanks. The first line may be word2vec's header
with two counts, which is checked against the lines that follow; no memory is allocated for what it
claims.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from data.errors import UserError
from data.files import read_plain
from data.lines import lines_of

HEADER = re.compile(r"([0-9]{1,18})\s+([0-9]{1,18})")  # number of vectors, and their length


def read_vectors(path: str | Path) -> tuple[list[str], np.ndarray]:
    """Reads words and their vectors float32 [V, D]; of a repeated word the first vector counts.

    Raises:
      UserError: the file cannot be read, is empty, or contradicts its header; or a line has too
        many or too few numbers, or something that is no number. Names the file and the line.
    """
    advice = "give a file of vectors by --vectors, or make one with ./launch.sh tagger vectors"
    return parse_vectors(read_plain(path, advice), str(path))


def parse_vectors(content: bytes, name: str) -> tuple[list[str], np.ndarray]:
    """Like `read_vectors`, from the bytes of a file; `name` is used in errors."""
    found: dict[str, np.ndarray] = {}
    width, rows, claimed = None, 0, None
    for number, line in enumerate(lines_of(content, name), 1):
        cells = line.rstrip().split(" ") if " " in line.rstrip() else line.split()
        if not line.strip():
            continue
        if number == 1 and (header := HEADER.fullmatch(line.strip())):
            claimed = tuple(map(int, header.groups()))
            continue
        rows += 1
        try:
            vector = np.array(cells[1:], np.float32)
        except ValueError:
            raise UserError(
                f"{name}, line {number} is not a word followed by numbers; fix that line."
            ) from None
        width = width or len(vector)
        if len(vector) != width or not width:
            raise UserError(
                f"{name}, line {number} has {len(vector)} numbers but the lines before it have "
                f"{width}; all vectors must have the same length."
            )
        if not np.isfinite(vector).all():
            raise UserError(f"{name}, line {number} has a number that is not finite; fix it.")
        found.setdefault(cells[0], vector)
    if not found:
        raise UserError(f"{name} has no vectors; give a file with a word and numbers on each line.")
    if claimed not in (None, (rows, width)):
        raise UserError(
            f"{name} announces {claimed[0]:,} vectors of {claimed[1]:,} numbers in its first line "
            f"but has {rows:,} of {width:,}; get the file again, or remove that line."
        )
    return list(found), np.stack(list(found.values()))


def vector_lines(words: Sequence[str], vectors: np.ndarray) -> Iterator[str]:
    """Yields the lines of a file in word2vec's text format."""
    yield f"{len(words)} {vectors.shape[1]}\n"
    for word, vector in zip(words, vectors, strict=True):
        yield f"{word} {' '.join(f'{x:.5g}' for x in vector)}\n"


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
