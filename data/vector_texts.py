"""The texts that word vectors are trained on, by name or by path.

grammar    sentences of a small grammar, whose words fall into classes; generated
python     the help topics that ship with Python
wikitext2  the training part of Merity et al. 2017; 2,088,628 words
text8      the beginning of the text of Wikipedia that word2vec's example uses; 1,171,946 words
"""

from collections.abc import Iterator

import numpy as np

from data import grammar
from data.errors import UserError
from data.raw import RawFile, chosen_raw_dir, download_folder, raw_file
from data.text_stream import WordStream, read_pieces, word_stream
from data.word_corpora import WIKITEXT2, paragraphs

NAMES = ("grammar", "python", "wikitext2", "text8")
TEXT8 = RawFile(
    "text8", "text8_first_6877825_bytes.txt", ("http://mattmahoney.net/dc/text8.zip",), 6_877_825,
    "8c5551457ad85e6f248e016443493f940756c7582473e6bbfcafcbe27fc98836",
)  # fmt: skip
SENTENCES = 8_000
CLASSES = {  # of the grammar's words: those with the same neighbours
    **dict.fromkeys(grammar.BOTH, "noun or verb"), **dict.fromkeys(grammar.NOUNS, "noun"),
    **dict.fromkeys(grammar.VERBS, "verb"), **dict.fromkeys(grammar.ADJECTIVES, "adjective"),
    **dict.fromkeys(grammar.DETERMINERS, "determiner"), **dict.fromkeys(".?", "mark"),
    "who": "pronoun",
}  # fmt: skip


def load(
    name: str, *, tokens: str, lowercase: bool, least: int, data_dir: str = "", raw_dir: str = ""
) -> WordStream:
    """Loads a text by name, or the user's own file by its path.

    Args:
      name: one of NAMES; anything containing a slash or a dot is the path of a UTF-8 file, plain,
        .gz or .xz.
      tokens, lowercase, least: see `data.text_stream.word_stream`; the texts by name but `python`
        are always split at blanks.
      data_dir: downloads are kept in its subfolder `downloads`.
      raw_dir: folder of raw files, used instead of downloading.

    Raises:
      UserError: the name is unknown, a file cannot be had or read, or has too few words.
    """
    pieces = _pieces(name, data_dir, raw_dir)
    tokens = "blanks" if name in NAMES and name != "python" else tokens
    return word_stream(pieces, tokens=tokens, lowercase=lowercase, least=least, name=name)


def _pieces(name: str, data_dir: str, raw_dir: str) -> Iterator[str]:
    if name == "grammar":
        return generated(SENTENCES)
    if name == "python":
        return iter([paragraphs()])
    if name == "wikitext2":
        return read_pieces(raw_file(WIKITEXT2[0], raw_dir or None, download_folder(data_dir)))
    if name == "text8":
        return read_pieces(_text8(raw_dir))
    if "/" not in name and "." not in name:
        raise UserError(
            f"--dataset={name}: choose {', '.join(NAMES)}, or the path of a file, such as "
            f"./{name.strip() or 'mine'}.txt."
        )
    return read_pieces(name)


def _text8(raw_dir: str):
    """The file in the folder of raw files; it is published as part of a larger one alone."""
    if chosen_raw_dir(raw_dir or None) is None:
        raise UserError(
            f"text8 is not downloaded: put the first {TEXT8.size:,} bytes of the file in "
            f"{TEXT8.urls[0]} at <raw_dir>/{TEXT8.dataset}/{TEXT8.name} and pass "
            "--raw_dir=<raw_dir>, or give a text by its path."
        )
    return raw_file(TEXT8, raw_dir or None, "")


def generated(sentences: int) -> Iterator[str]:
    """Sentences of `data.grammar`, one per line; always the same."""
    random = np.random.default_rng([2013])
    for _ in range(sentences):
        yield " ".join(word for word, _ in grammar.sentence(random)) + "\n"
