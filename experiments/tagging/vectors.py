"""`./launch.sh tagger vectors`: word vectors from plain text, in the text format of word2vec.

They are the truncated SVD of the positive pointwise mutual information of words within a window
(`data/word_vectors.py`). They replace a paper's own vectors if those are not available, which a
result then states.
"""

import dataclasses
import pathlib
import re
import time

import numpy as np

from data.errors import UserError
from data.files import read_unpacked
from data.lines import lines_of
from data.raw import RawFile, chosen_raw_dir, download_folder, raw_file
from data.sentences import DIGITS, lookup_form
from data.word_vectors import cooccurrences, ppmi_vectors, vector_lines, vocabulary
from experiments.runtime.options import option
from experiments.runtime.workdir import write_atomically

_WIKITEXT = (
    "https://raw.githubusercontent.com/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/"
    "word_language_model/data/wikitext-2/train.txt"
)
WIKITEXT2 = RawFile(
    "wikitext2", "wiki.train.tokens", (_WIKITEXT,), 10_797_148,
    "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
)  # fmt: skip
TEXT8 = "text8/text8_first_6877825_bytes.txt"  # used if the raw folder has it
NORM = 2.0  # the mean norm of a vector, approximately that of the Google News vectors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vectors:
    """The options of `tagger vectors`."""

    out: str = option("vectors.txt", "the file to write", path=True)
    text: str = option("", "plain text files, separated by commas; empty: WikiText-2, and the "
                       "beginning of text8 if --raw_dir has it")  # fmt: skip
    width: int = option(300, "length of a vector", least=1, most=2000)
    window: int = option(5, "words on either side that count as context", least=1, most=100)
    least_count: int = option(3, "words that occur less often get no vector", least=1)
    most_words: int = option(40_000, "number of words to keep, the most frequent ones", least=2,
                             most=1_000_000)  # fmt: skip
    lowercase: bool = option(True, "lower-case the words, as with the tagger's --lowercase")
    digits: str = option("0", "0: every digit becomes 0, as in the opinion presets; kept: words "
                         "as written", choices=DIGITS)  # fmt: skip
    data_dir: str = option("", "folder for downloads")
    raw_dir: str = option("", "folder of raw files, used instead of downloading")


def make_vectors(options: Vectors) -> None:
    """Writes the file of vectors; raises UserError if a text is missing or too short."""
    start = time.monotonic()
    texts = [line.split() for path in _texts(options) for line in _lines(path)]
    tokens = [[lookup_form(w, options.lowercase, options.digits) for w in line if w != "<unk>"]
              for line in texts]  # fmt: skip
    words = vocabulary(tokens, options.least_count, options.most_words)
    if len(words) <= options.width:
        raise UserError(
            f"The text has {len(words)} words that occur {options.least_count} times or more: give "
            f"more text, or a --width below {len(words)}."
        )
    number = {word: n for n, word in enumerate(words)}
    coded = [[number.get(word, -1) for word in line] for line in tokens]
    vectors = ppmi_vectors(cooccurrences(coded, len(words), options.window), options.width)
    vectors *= NORM / np.linalg.norm(vectors, axis=1).mean()
    try:
        write_atomically(pathlib.Path(options.out), "".join(vector_lines(words, vectors)))
    except OSError as error:
        raise UserError(f"--out={options.out} cannot be written ({error.strerror}).") from None
    print(f"{options.out}: vectors of {options.width} numbers for {len(words):,} words, from "
          f"{sum(map(len, tokens)):,} words of text in {time.monotonic() - start:.0f} seconds")


def _texts(options: Vectors) -> list[pathlib.Path]:
    if options.text:
        return [pathlib.Path(name) for name in options.text.split(",")]
    downloads = download_folder(options.data_dir)
    paths = [raw_file(WIKITEXT2, options.raw_dir or None, downloads)]
    raw = chosen_raw_dir(options.raw_dir or None)
    return paths + ([raw / TEXT8] if raw and (raw / TEXT8).exists() else [])


def _lines(path: pathlib.Path) -> list[str]:
    """The lines of a text, without WikiText's escapes: ` @-@ ` is a hyphen within a word."""
    lines = lines_of(read_unpacked(path, "name a UTF-8 text file"), str(path))
    return [re.sub(r" @([-.,])@ ", r"\1", line) for line in lines]
