"""Texts in words by name: Python's own documentation, and published files checked by SHA-256.

python         the help topics that come with Python; needs no download
penn_treebank  Mikolov's: 929,589 / 73,760 / 82,430 words with <eos>, 10,000 different ones
wikitext2      Merity et al. 2017: 2,088,628 / 217,646 / 245,569 words, 33,278 different ones
"""

from data.corpora import PENN_TREEBANK, documentation, own_text, published_file, read_published
from data.text import Text, in_three
from data.words import coded_words, words_of

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


def load(
    name: str,
    *,
    tokens: str,
    vocabulary: int,
    valid_percent: float,
    test_percent: float,
    data_dir: str = "",
    raw_dir: str = "",
) -> Text:
    """A text in words by name or by the path of the user's own file.

    Args:
      name: one of NAMES; anything with a slash or a dot in it is a path of a UTF-8 file.
      tokens: `marks` or `blanks`, see `data.words.words_of`; the published texts have blanks.
      vocabulary: see `data.words.vocabulary`.
      valid_percent, test_percent: of the words, cut from the end; the published texts have parts
        of their own.
      data_dir: downloads are kept in its folder `downloads`; default `~/tensorflow_datasets`.
      raw_dir: folder of raw files, used instead of downloading.

    Raises:
      UserError: there is no such text, a file cannot be had, or there are no words in it.
    """
    tokens = tokens_of(name, tokens)
    if name in _PARTS:
        texts = (read_published(file, "characters", data_dir, raw_dir) for file in _PARTS[name])
        return coded_words(tuple(words_of(text, tokens) for text in texts), vocabulary, name)
    text = paragraphs() if name == "python" else own_text(name, NAMES, "characters")
    return coded_words(
        in_three(words_of(text, tokens), valid_percent, test_percent), vocabulary, name
    )


def paragraphs() -> str:
    """The help topics of Python, a line for each paragraph; one that comes again is left out.

    Some topics are parts of others: left in, the test part would repeat the training part.
    """
    found = (" ".join(part.split()) for part in documentation().split("\n\n"))
    return "".join(f"{part}\n" for part in dict.fromkeys(found) if part)


def tokens_of(name: str, tokens: str) -> str:
    """How a text is cut into words: as asked, but the published ones at their blanks."""
    return "blanks" if name in _PARTS else tokens
