"""Texts as words, by name: Python's own documentation, and published files checked by SHA-256.

python         the help topics that ship with Python; no download needed
penn_treebank  Mikolov's version: 929,589 / 73,760 / 82,430 words with <eos>, 10,000 distinct
wikitext2      Merity et al. 2017: 2,088,628 / 217,646 / 245,569 words, 33,278 distinct
"""

import re
from collections.abc import Iterator
from itertools import chain

from data.corpora import PENN_TREEBANK, documentation, published_file, read_published, user_text
from data.text import Text, read_parts, replace_parts, three_parts
from data.words import coded_words, numbered

_WIKITEXT = (
    "https://raw.githubusercontent.com/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/"
    "word_language_model/data/wikitext-2/"
)
WIKITEXT2 = tuple(
    published_file("wikitext2", f"{_WIKITEXT}{part}.txt", size, sha256, f"wiki.{part}.tokens")
    for part, size, sha256 in (
        ("train", 10_797_148, "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f"),
        ("valid", 1_121_681, "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"),
        ("test", 1_256_449, "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"),
    )
)
_PARTS = {"penn_treebank": PENN_TREEBANK, "wikitext2": WIKITEXT2}
NAMES = ("python", *_PARTS)
_RULE = re.compile(r"\s*(\||\+[-=]|[-=*~^]{2,}\s*$)")  # of a table, or under a title


def load(
    name: str,
    *,
    tokens: str,
    vocabulary: int,
    valid_percent: float,
    test_percent: float,
    valid: str = "",
    test: str = "",
    data_dir: str = "",
    raw_dir: str = "",
) -> Text:
    """Loads a text as words by name, or the user's own file by its path.

    Args:
      name: one of NAMES; anything containing a slash or a dot is the path of a UTF-8 file.
      tokens: `marks` or `blanks`, see `data.words.words_of`; the published texts use blanks.
      vocabulary: see `data.words.vocabulary`.
      valid_percent, test_percent: shares of the words, cut from the end; the published texts
        come in three parts already.
      valid, test: paths of files that are the validation and test parts instead.
      data_dir: downloads are kept in its subfolder `downloads`; default `~/tensorflow_datasets`.
      raw_dir: folder of raw files, used instead of downloading.

    Raises:
      UserError: the name is unknown, a file cannot be obtained or read, or it holds no words.
    """
    given = [text or "" for text in read_parts("characters", valid, test)]
    texts = chain(_texts(name, data_dir, raw_dir), given)  # read one after another, to save memory
    found = numbered(texts, tokens_of(name, tokens))
    *whole, valid_part, test_part = found.texts
    given = [part if len(part) else None for part in (valid_part, test_part)]
    if len(whole) == 3:
        parts = replace_parts(tuple(whole), *given)
    else:
        parts = three_parts(whole[0], valid_percent, test_percent, *given)
    return coded_words(parts, found.words, vocabulary, name)


def _texts(name: str, data_dir: str, raw_dir: str) -> Iterator[str]:
    """The three parts of a published text, or the one text of which parts are cut off."""
    if name in _PARTS:
        for file in _PARTS[name]:
            yield read_published(file, "characters", data_dir, raw_dir)
    else:
        yield paragraphs() if name == "python" else user_text(name, NAMES, "characters")


def paragraphs() -> str:
    """Python's help topics, one paragraph per line, without tables and repeated paragraphs.

    Some topics are contained in others; with them the test part would repeat the training part.
    The lines of tables, such as `+-----+` and `| a |`, and those under titles are left out: they
    would be a fifth of the words, and whoever has seen two dashes knows the next fifty.
    """
    text = "\n".join(line for line in documentation().split("\n") if not _RULE.match(line))
    found = (" ".join(part.split()) for part in text.split("\n\n"))
    return "".join(f"{part}\n" for part in dict.fromkeys(found) if part)


def tokens_of(name: str, tokens: str) -> str:
    """How a text is split into words: the published ones always at blanks, others as requested."""
    return "blanks" if name in _PARTS else tokens
