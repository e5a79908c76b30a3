"""Files of labelled words, in the usual formats.

    columns   one word per line with its labels in columns, blank lines between sentences (CoNLL)
    conllu    the same with ten columns and comments (Universal Dependencies)
    slashes   one sentence per line, word/LABEL word/LABEL

Columns and words are separated by blanks or tabs; other Unicode blanks are part of a word.
"""

import re
from pathlib import Path

from data.errors import UserError
from data.files import read_unpacked
from data.lines import lines_of
from data.sentences import Sentences

FORMATS = ("auto", "columns", "conllu", "slashes")
CONLLU_TOKEN, CONLLU_LABEL = 2, 4  # FORM and UPOS, counted from 1
_BETWEEN_BLANKS = re.compile(r"[^ \t]+")


def read_tagged(
    path: str | Path, form: str = "auto", token: int = 0, label: int = 0, feature: int = 0
) -> Sentences:
    """Reads the sentences of a file.

    Args:
      path: the file.
      form: one of FORMATS; `auto` means conllu if the name ends in `.conllu`, slashes if every
        word of the first line contains a slash, and columns otherwise.
      token: column of the words, counted from 1; 0: the first, or FORM in conllu.
      label: column of the labels; 0: the last, or UPOS in conllu.
      feature: column of an additional input; 0: none.

    Raises:
      UserError: the file cannot be read, is empty or not UTF-8, or a line is not in the format;
        the message names the file and the line.
    """
    content = read_unpacked(path, "name a text file")
    return parsed(content, str(path), form, token, label, feature)


def parsed(
    content: bytes, name: str, form: str = "auto", token: int = 0, label: int = 0, feature: int = 0
) -> Sentences:
    """Like `read_tagged`, from the bytes of a file; `name` is used in errors."""
    lines = lines_of(content, name)
    if not any(line.strip(" \t") for line in lines):
        raise UserError(f"{name} is empty; give a file of labelled words.")
    form = _form(lines, name) if form == "auto" else form
    if form == "slashes":
        return _slashes(lines, name)
    if form == "conllu":
        token, label = token or CONLLU_TOKEN, label or CONLLU_LABEL
    return _columns(lines, name, form, token or 1, label, feature)


def _form(lines: list[str], name: str) -> str:
    if name.endswith(".conllu"):
        return "conllu"
    first = next(line for line in lines if line.strip(" \t"))
    pieces = _BETWEEN_BLANKS.findall(first)
    if "\t" not in first and all(0 < p.rfind("/") < len(p) - 1 for p in pieces):
        return "slashes"
    return "columns"


def _slashes(lines: list[str], name: str) -> Sentences:
    words, labels = [], []
    once: dict[str, str] = {}  # holds each word and label once
    for number, line in enumerate(lines, 1):
        pairs = [piece.rpartition("/") for piece in _BETWEEN_BLANKS.findall(line)]
        for word, _, label in pairs:
            if not word or not label:
                raise UserError(
                    f"{name}, line {number}: {word + '/' + label if word else label!r} is not "
                    "word/LABEL; fix it, or give --file_format=columns."
                )
        if pairs:
            words.append([once.setdefault(word, word) for word, _, _ in pairs])
            labels.append([once.setdefault(label, label) for _, _, label in pairs])
    return Sentences(words, labels)


def _columns(
    lines: list[str], name: str, form: str, token: int, label: int, feature: int
) -> Sentences:
    words, labels, features, first = [[]], [[]], [[]], None
    once: dict[str, str] = {}  # holds each word and label once
    for number, line in enumerate(lines, 1):
        if form == "conllu" and line.startswith("#"):
            continue
        cells = line.split("\t") if "\t" in line else _BETWEEN_BLANKS.findall(line)
        if not line.strip(" \t") or cells[0] == "-DOCSTART-":
            if words[-1]:
                words.append([]), labels.append([]), features.append([])
            continue
        if form == "conllu" and not cells[0].isdigit():
            continue  # 3-4 is a range of the words that follow, 3.1 a word that is not in the text
        first = first or (number, _checked_width(len(cells), number, name, token, label, feature))
        if len(cells) != first[1]:
            raise UserError(
                f"{name}, line {number} has {len(cells)} columns but line {first[0]} has "
                f"{first[1]}; give all lines the same columns, separated by tabs if words contain "
                "blanks."
            )
        word, tag = cells[token - 1].strip(" "), cells[label - 1].strip(" ")
        if not word or not tag:
            raise UserError(f"{name}, line {number} has an empty column; fix that line.")
        words[-1].append(once.setdefault(word, word))
        labels[-1].append(once.setdefault(tag, tag))
        if feature:
            features[-1].append(once.setdefault(cells[feature - 1], cells[feature - 1]))
    if not words[-1]:
        words, labels, features = words[:-1], labels[:-1], features[:-1]
    if not words:
        raise UserError(f"{name} has no labelled words; give a file of labelled words.")
    return Sentences(words, labels, features if feature else None)


def _checked_width(width: int, number: int, name: str, *columns: int) -> int:
    """The number of columns of the first line; raises UserError if it lacks one of `columns`."""
    wanted = max(2, *columns)
    if width < wanted:
        raise UserError(
            f"{name}, line {number} has {width} columns but column {wanted} was requested; see "
            "--token_column and --label_column."
        )
    return width
