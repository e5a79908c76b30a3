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
    lines = list(enumerate(lines_of(content, name), 1))
    if not any(line.strip() for _, line in lines):
        raise UserError(f"{name} is empty; give a file of labelled words.")
    form = _form(lines, name) if form == "auto" else form
    if form == "slashes":
        return _slashes(lines, name)
    if form == "conllu":
        lines = [pair for pair in lines if not pair[1].startswith("#")]
        token, label = token or CONLLU_TOKEN, label or CONLLU_LABEL
    return _columns(lines, name, form, token or 1, label, feature)


def _form(lines, name: str) -> str:
    if name.endswith(".conllu"):
        return "conllu"
    first = next(line for _, line in lines if line.strip())
    pieces = _BETWEEN_BLANKS.findall(first)
    if "\t" not in first and all(0 < p.rfind("/") < len(p) - 1 for p in pieces):
        return "slashes"
    return "columns"


def _slashes(lines, name: str) -> Sentences:
    words, labels = [], []
    for number, line in lines:
        pairs = [piece.rpartition("/") for piece in _BETWEEN_BLANKS.findall(line)]
        for word, _, label in pairs:
            if not word or not label:
                raise UserError(
                    f"{name}, line {number}: {word + '/' + label if word else label!r} is not "
                    "word/LABEL; fix it, or give --file_format=columns."
                )
        if pairs:
            words.append([word for word, _, _ in pairs])
            labels.append([label for _, _, label in pairs])
    return Sentences(words, labels)


def _columns(lines, name: str, form: str, token: int, label: int, feature: int) -> Sentences:
    words, labels, features, first = [[]], [[]], [[]], None
    for number, line in lines:
        cells = line.split("\t") if "\t" in line else _BETWEEN_BLANKS.findall(line)
        if not line.strip() or cells[0] == "-DOCSTART-":
            if words[-1]:
                words.append([]), labels.append([]), features.append([])
            continue
        if form == "conllu" and not cells[0].isdigit():
            continue  # 3-4 is a range of the words that follow, 3.1 a word that is not in the text
        first = first or (number, len(cells))
        width = first[1]
        if len(cells) != width:
            raise UserError(
                f"{name}, line {number} has {len(cells)} columns but line {first[0]} has {width}; "
                "give all lines the same columns, separated by tabs if words contain blanks."
            )
        wanted = max(token, label, feature)
        if width < wanted or width < 2:
            raise UserError(
                f"{name}, line {number} has {width} columns but column {max(wanted, 2)} was "
                "requested; see --token_column and --label_column."
            )
        chosen = [cells[column - 1].strip(" ") for column in (token, label or width)]
        if not all(chosen):
            raise UserError(f"{name}, line {number} has an empty column; fix that line.")
        words[-1].append(chosen[0]), labels[-1].append(chosen[1])
        features[-1].append(cells[feature - 1])
    kept = [n for n, sentence in enumerate(words) if sentence]
    words, labels, features = ([part[n] for n in kept] for part in (words, labels, features))
    if not words:
        raise UserError(f"{name} has no labelled words; give a file of labelled words.")
    return Sentences(words, labels, features if feature else None)
