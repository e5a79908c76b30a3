"""Questions to trained word vectors, and their file.

    ./launch.sh word2vec neighbours --workdir=runs/word2vec/text8 --words="king paris"
    ./launch.sh word2vec analogy --workdir=runs/word2vec/text8 --words="man king woman"
    ./launch.sh word2vec vectors --workdir=runs/word2vec/text8 --out=vectors.txt
"""

import dataclasses
import pathlib

import jax
import numpy as np
import rich.markup
import rich.table

from data.errors import UserError
from data.word_vectors import binary_vectors, vector_lines
from experiments.language.vector_scores import Vectors
from experiments.language.word2vec_net import make_model
from experiments.runtime.options import option
from experiments.runtime.terminal import console
from experiments.runtime.workdir import replace_atomically
from experiments.training.trained_net import restore


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ask:
    """The options of the commands `neighbours` and `analogy`."""

    workdir: str = option("runs/word2vec/quick", "the run whose vectors are asked", path=True)
    words: str = option("", "words, separated by blanks; analogy: three words a b c, for which "
                        "`a is to b as c is to` is answered")  # fmt: skip
    count: int = option(10, "words to print for each answer", least=1, most=100_000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Write:
    """The options of the command `vectors`."""

    workdir: str = option("runs/word2vec/quick", "the run whose vectors are written", path=True)
    out: str = option("vectors.txt", "the file to write; `tagger --vectors` reads it", path=True)
    binary: bool = option(False, "word2vec's binary format, not its text format")


def trained_vectors(workdir: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The words of a run, the most frequent first, and their vectors [V, D].

    Raises:
      UserError: the folder holds no such run.
    """

    def make(config) -> tuple:
        words = tuple(config.words.split(" "))
        return words, make_model(config, len(words))

    def first_parameters(config, model):
        return model.init(jax.random.key(0))

    _, words, _, params = restore(
        workdir, "word2vec", ("cbow", "hs", "words"), make, first_parameters
    )
    return words, np.asarray(params["words"])


def neighbours(options: Ask) -> None:
    """Prints the words nearest to each one; raises UserError for an unknown word."""
    vectors = Vectors(*trained_vectors(options.workdir))
    for word, number in _known(vectors, options.words, 1):
        _print(f"nearest to {word}", vectors, vectors.unit[number], [number], options.count)


def analogy(options: Ask) -> None:
    """Prints what is to c as b is to a; raises UserError for an unknown word."""
    vectors = Vectors(*trained_vectors(options.workdir))
    known = _known(vectors, options.words, 3)
    if len(known) > 3:
        raise UserError(f"--words={options.words!r}: give three words, such as 'man king woman'.")
    (a, first), (b, second), (c, third) = known
    query = vectors.unit[second] - vectors.unit[first] + vectors.unit[third]
    _print(f"{a} is to {b} as {c} is to", vectors, query, [first, second, third], options.count)


def _known(vectors: Vectors, text: str, least: int) -> list[tuple[str, int]]:
    """The words of a text with their rows."""
    found = [(word, vectors.number(word)) for word in text.split()]
    for word, number in found:
        if number is None:
            raise UserError(
                f"{word!r} is not among the {len(vectors.words):,} words of the run; give another."
            )
    if len(found) < least:
        example = "man king woman" if least == 3 else "king"
        raise UserError(f"--words={text!r}: give words, such as --words={example!r}.")
    return found


def _print(title: str, vectors: Vectors, query: np.ndarray, without: list[int], count: int) -> None:
    table = rich.table.Table(box=None)
    table.add_column("word")
    table.add_column("cosine", justify="right")
    for word, cosine in vectors.nearest(query, without, count):
        table.add_row(rich.markup.escape(word), f"{cosine:.3f}")
    console().print(title, markup=False)
    console().print(table)


def write_vectors(options: Write) -> None:
    """Writes the vectors of a run; raises UserError if there is none, or for an unwritable file."""
    words, vectors = trained_vectors(options.workdir)
    if options.binary:
        content = binary_vectors(words, vectors)
    else:
        content = "".join(vector_lines(words, vectors)).encode()
    try:
        replace_atomically(pathlib.Path(options.out), content)
    except OSError as error:
        raise UserError(f"--out={options.out} cannot be written ({error.strerror}).") from None
    print(f"{options.out}: vectors of {vectors.shape[1]} numbers for {len(words):,} words")


COMMANDS = {
    "neighbours": (Ask(), neighbours), "analogy": (Ask(), analogy),
    "vectors": (Write(), write_vectors),
}  # fmt: skip
