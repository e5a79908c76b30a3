"""A table of inputs as users have them: each is read to exactly this value, or refused.

A row is a kind of input, given to a reader. What is refused gets one sentence that names the file.
"""

import bz2
import functools
import gzip
import hashlib
import io
import lzma
import os
import pathlib
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from data import (
    corpora,
    image_folder,
    mpqa,
    parallel_text,
    raw,
    sentences,
    spans,
    sst,
    tagged_corpora,
    tagged_files,
    text,
    word_corpora,
    word_vectors,
    words,
)
from data.errors import UserError

MARK = "\ufeff".encode()
FOLDER = "a folder"


class Refused(NamedTuple):
    """What must happen: a UserError of one sentence that contains this text."""

    text: str


class Link(NamedTuple):
    """A symbolic link."""

    target: str


class Row(NamedTuple):
    """A reader, what it is given, and what must happen."""

    kind: str
    reader: str
    files: dict[str, object]  # by name: bytes, FOLDER or a Link
    path: str  # what the reader is given; DIR stands for the folder of the files
    expected: object

    @property
    def name(self) -> str:
        return f"{self.reader}: {self.kind}"


# The readers: each gives a value that can be compared.


def read_characters(path, unit="characters"):
    found = corpora.load(path, unit=unit, valid_percent=0, test_percent=0)
    return text.text_of(found.train, found.symbols)


def read_words(path, tokens):
    found = word_corpora.load(path, tokens=tokens, vocabulary=0, valid_percent=0, test_percent=0)
    return words.text_of_words(found.train, found.symbols)


def read_pairs(path):
    parts = parallel_text.load(path, valid_percent=40, test_percent=40)
    return [pair for part in parts for pair in zip(*part, strict=True)]


def read_two_files(path):
    """The same file as source and target."""
    return [source for source, _ in read_pairs(f"{path},{path}")]


def read_tagged(path, form="auto", **columns):
    found = tagged_files.read_tagged(path, form, **columns)
    assert list(map(len, found.words)) == list(map(len, found.labels))
    return [list(zip(*sentence, strict=True)) for sentence in zip(*found[:2], strict=True)]


def read_corpus(path):
    corpus = tagged_corpora.load(path)
    sentences.check(corpus, path)
    return [part.words for part in corpus[:3]]


def read_vectors(path):
    known, vectors = word_vectors.read_vectors(path)
    return dict(zip(known, vectors.tolist(), strict=True))


def read_trees(path):
    """Published trees, which `data.raw` finds and checks: the content alone may be strange."""
    return [tree[-1] for tree in sst.trees(pathlib.Path(path).read_bytes(), path)]


def read_images(path):
    found = image_folder.load(path)
    brightest = (sorted((int(label), int(image.max())) for image, label in zip(*part, strict=True))
                 for part in found[:2])  # fmt: skip
    return (*brightest, found.classes)


READERS: dict[str, Callable[[str], object]] = {
    "characters": read_characters,
    "bytes": functools.partial(read_characters, unit="bytes"),
    "words between blanks": functools.partial(read_words, tokens="blanks"),
    "words and marks": functools.partial(read_words, tokens="marks"),
    "two files": read_two_files,
    "pairs with tabs": read_pairs,
    "columns": functools.partial(read_tagged, form="columns"),
    "columns with tabs": functools.partial(read_tagged, form="columns"),
    "CoNLL-U": functools.partial(read_tagged, form="conllu"),
    "slashes": functools.partial(read_tagged, form="slashes"),
    "vectors": read_vectors,
    "trees": read_trees,
    "corpus": read_corpus,
    "images": read_images,
}

# The text of a sound file, with {w} in the place of a word, and what it is read to.
TEXTS: dict[str, tuple[str, Callable[[str], object]]] = {
    "words between blanks": (
        "a {w} b\n\n{w} {w} b a\n", lambda w: f"a {w} b\n\n{w} {w} b a\n"),
    "words and marks": (
        "a, {w} b.\n\n{w} {w} b, a.\n", lambda w: f"a , {w} b .\n\n{w} {w} b , a .\n"),
    "two files": ("a {w}\nb\n{w} c\n", lambda w: [f"a {w}", "b", f"{w} c"]),
    "pairs with tabs": (
        "a {w}\tA\nb\tB {w}\n{w} c\tC\n",
        lambda w: [(f"a {w}", "A"), ("b", f"B {w}"), (f"{w} c", "C")]),
    "columns": ("{w} x A\nb y B\n\n{w} z C\n", lambda w: [[(w, "A"), ("b", "B")], [(w, "C")]]),
    "columns with tabs": ("{w}\tA\nb\tB\n\n{w}\tC\n",
                          lambda w: [[(w, "A"), ("b", "B")], [(w, "C")]]),
    "CoNLL-U": ("# text\n1\t{w}\t_\tA\n2\tb\t_\tB\n\n1\t{w}\t_\tC\n",
                lambda w: [[(w, "A"), ("b", "B")], [(w, "C")]]),
    "slashes": ("{w}/A b/B\n{w}/C\n", lambda w: [[(w, "A"), ("b", "B")], [(w, "C")]]),
    "vectors": ("{w} 1 -2\nb 3 .5\n", lambda w: {w: [1, -2], "b": [3, 0.5]}),
    "trees": ("(3 (2 {w}) (4 good))\n(1 b)\n", lambda w: [(3, [w, "good"]), (1, ["b"])]),
}  # fmt: skip
RUNNING = ("characters", "bytes")
TEXT_READERS = (*RUNNING, *TEXTS)
WORDS = ("words between blanks", "words and marks")


def sound(reader: str, word: str = "Straße") -> str:
    return TEXTS[reader][0].format(w=word) if reader in TEXTS else f"a {word}\nb\n\n"


def value(reader: str, word: str = "Straße") -> object:
    return TEXTS[reader][1](word)


def text_row(kind: str, reader: str, content: bytes, expected: object) -> Row:
    return Row(kind, reader, {"file.txt": content}, "DIR/file.txt", expected)


def packed(content: bytes, kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("file.txt", content)
    else:
        with tarfile.open(fileobj=file, mode=kind) as archive:
            info = tarfile.TarInfo("file.txt")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


# Kinds of text that mean the same as the sound one.
ALIKE: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda text: text,
    "a byte order mark": lambda text: MARK + text,
    "Windows line ends": lambda text: text.replace(b"\n", b"\r\n"),
    "old Mac line ends": lambda text: text.replace(b"\n", b"\r"),
    "line ends of two systems": lambda text: text.replace(b"\n", b"\r\n", 1),
    "a mark and Windows line ends": lambda text: MARK + text.replace(b"\n", b"\r\n"),
    "a mark and old Mac line ends": lambda text: MARK + text.replace(b"\n", b"\r"),
    "no last line end": lambda text: text.removesuffix(b"\n"),
    "Windows line ends but no last one": lambda text: text.replace(b"\n", b"\r\n")[:-2],
    "two carriage returns": lambda text: text.replace(b"\n", b"\r\r\n"),
    "gzip": zipped,
    "gzip with a mark in it": lambda text: zipped(MARK + text),
    "gzip with Windows line ends": lambda text: zipped(text.replace(b"\n", b"\r\n")),
    "gzip in two members": lambda text: zipped(text[:5]) + zipped(text[5:]),
    "gzip padded with zeros": lambda text: zipped(text) + bytes(100),
}
# Kinds that are no text, and a word of the sentence that says so.
NO_TEXT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "UTF-16, little-endian": (lambda text: b"\xff\xfe" + text.decode().encode("utf-16-le"),
                              "is UTF-16"),
    "UTF-16, big-endian": (lambda text: b"\xfe\xff" + text.decode().encode("utf-16-be"),
                           "is UTF-16"),
    "UTF-16, little-endian without a mark": (
        lambda text: text.decode().encode("utf-16-le"), "0x00"),
    "UTF-16, big-endian without a mark": (
        lambda text: text.decode().encode("utf-16-be"), "0x00"),
    "UTF-32, little-endian": (
        lambda text: b"\xff\xfe\0\0" + text.decode().encode("utf-32-le"), "is UTF-32"),
    "UTF-32, big-endian": (
        lambda text: b"\0\0\xfe\xff" + text.decode().encode("utf-32-be"), "is UTF-32"),
    "UTF-16 in gzip": (
        lambda text: zipped(b"\xff\xfe" + text.decode().encode("utf-16-le")), "is UTF-16"),
    "Latin-1": (lambda text: text.decode().encode("latin-1"), "UTF-8"),
    "a quotation mark of Windows": (lambda text: text.replace(b"b", b"\x93b"), "UTF-8"),
    "Shift-JIS": (lambda text: text.replace(b"b", "中文".encode("shift-jis")), "UTF-8"),
    "GB 18030": (lambda text: text.replace(b"b", "中文".encode("gb18030")), "UTF-8"),
    "KOI8-R": (lambda text: text.replace(b"b", "снег".encode("koi8-r")), "UTF-8"),
    "an overlong sequence": (lambda text: text.replace(b"b", b"\xc0\x80"), "UTF-8"),
    "a surrogate": (lambda text: text.replace(b"b", b"\xed\xa0\x80"), "UTF-8"),
    "beyond Unicode": (lambda text: text.replace(b"b", b"\xf4\x90\x80\x80"), "UTF-8"),
    "a byte that UTF-8 has not": (lambda text: text.replace(b"b", b"\xff"), "UTF-8"),
    "a character cut off at the end": (lambda text: text + "ß".encode()[:1], "UTF-8"),
    "a character cut in two by a line end": (
        lambda text: text.replace(b"b", "ß".encode()[:1] + b"\n" + "ß".encode()[1:]), "UTF-8"),
    "Latin-1 in gzip": (lambda text: zipped(text.decode().encode("latin-1")), "UTF-8"),
    "a zero byte in a word": (lambda text: text.replace(b"b", b"b\0"), "0x00"),
    "a zero byte at the end": (lambda text: text + b"\0", "0x00"),
    "zero bytes alone": (lambda text: bytes(len(text)), "0x00"),
    "a zero byte in gzip": (lambda text: zipped(text + b"\0"), "0x00"),
    "empty": (lambda text: b"", ""),
    "a byte order mark alone": (lambda text: MARK, ""),
    "an empty gzip file": (lambda text: zipped(b""), ""),
    "a picture": (lambda text: png(7), ""),
    "a PDF": (lambda text: b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "UTF-8"),
    "a Word document": (lambda text: packed(text, "zip"), "is a zip archive"),
    "an xz file": (lzma.compress, "is an xz file"),
    "a bzip2 file": (bz2.compress, "is a bzip2 file"),
    "a 7-Zip archive": (lambda text: b"7z\xbc\xaf\x27\x1c\0\x04" + text, "is a 7-Zip archive"),
    "a Zstandard file": (lambda text: b"(\xb5/\xfd\x24" + text, "is a Zstandard file"),
    "a tar archive": (lambda text: packed(text, "w"), "0x00"),
    "a tar.gz archive": (lambda text: packed(text, "w:gz"), "0x00"),
    "gzip cut short": (lambda text: zipped(text)[:-12], "damaged gzip"),
    "the beginning of gzip": (lambda text: zipped(text)[:5], "damaged gzip"),
    "gzip with another sum": (
        lambda text: zipped(text)[:-8] + bytes(4) + zipped(text)[-4:], "damaged gzip"),
    "gzip with something behind it": (lambda text: zipped(text) + text, "damaged gzip"),
    "gzip in gzip": (lambda text: zipped(zipped(text)), ""),
    "a zip archive in gzip": (lambda text: zipped(packed(text, "zip")), ""),
}  # fmt: skip
PACKED = ("gzip", "xz", "bzip2", "zip", "7-Zip", "Zstandard", "tar.gz", "Word")
BLANK_TEXTS = {"line ends": "\n\n\n", "blanks": "   ", "blanks and tabs": " \t \n\t\n"}
PLACES: dict[str, tuple[dict[str, object], str, str]] = {  # files, path, a word of the sentence
    "no file": ({}, "DIR/file.txt", "cannot be read"),
    "a file in no folder": ({}, "DIR/no/file.txt", "cannot be read"),
    "a folder": ({"file.txt": FOLDER}, "DIR/file.txt", "cannot be read"),
    "a file in a file": ({"file.txt": b"a b\n"}, "DIR/file.txt/x.txt", "cannot be read"),
    "a link to nothing": ({"file.txt": Link("gone.txt")}, "DIR/file.txt", "cannot be read"),
    "a link to itself": ({"file.txt": Link("file.txt")}, "DIR/file.txt", "cannot be read"),
    "a device": ({"file.txt": Link("/dev/null")}, "DIR/file.txt", "not a regular file"),
    "too long a name": ({}, "DIR/" + 300 * "n" + ".txt", "cannot be read"),
    "a zero byte in the name": ({}, "DIR/fi\0le.txt", "cannot be read"),
    "nobody's home folder": ({}, "~nobody-of-this-name/file.txt", "no such home folder"),
}
BLANKS = {  # none of them separates words or columns, or ends a line
    "a no-break blank": "\xa0", "a narrow no-break blank": "\u202f", "an em blank": "\u2003",
    "a thin blank": "\u2009", "an ideographic blank": "\u3000", "an Ogham blank": "\u1680",
    "a zero width blank": "\u200b", "a mark within": "\ufeff", "a vertical tab": "\x0b",
    "a form feed": "\x0c", "a next line": "\x85", "a line separator": "\u2028",
    "a paragraph separator": "\u2029", "a file separator": "\x1c", "a unit separator": "\x1f",
    "a hyphen that may break": "\xad", "a combining accent": "e\u0301", "an emoji": "👩‍👩‍👧",
    "a right-to-left mark": "\u200f", "a replacement character": "\ufffd",
}  # fmt: skip


def text_rows() -> Iterator[Row]:
    """Every kind of text in every reader of texts."""
    for reader in TEXT_READERS:
        published = reader == "trees"  # never packed, and found by `data.raw`
        plain = sound(reader).encode()
        for kind, change in ALIKE.items():
            if reader in TEXTS and not (published and "gzip" in kind):
                if kind == "two carriage returns" and reader in WORDS:
                    continue  # a carriage return is a line end of its own there
                yield text_row(kind, reader, change(plain), value(reader))
        for kind, (change, sentence) in NO_TEXT.items():
            alone = kind in ("empty", "a byte order mark alone")  # a file without a tree
            if reader == "bytes" or published and (alone or any(w in kind for w in PACKED)):
                continue
            yield text_row(kind, reader, change(plain), Refused(sentence))
        for kind, blank in BLANK_TEXTS.items():
            alone = reader in RUNNING and len(set(blank)) > 1  # blanks are characters there
            if not published:
                expected = blank if alone else Refused("")
                yield text_row(f"{kind} alone", reader, blank.encode(), expected)
        if not published:
            for kind, (files, path, sentence) in PLACES.items():
                yield Row(kind, reader, files, path, Refused(sentence))
        if reader in TEXTS and reader != "words and marks":
            for kind, blank in BLANKS.items():
                word = f"New{blank}York"
                content = sound(reader, word).encode()
                yield text_row(f"{kind} in a word", reader, content, value(reader, word))
        if reader in TEXTS:
            word = "n" * 300_000
            content = sound(reader, word).encode()
            yield text_row("a word of 300,000 letters", reader, content, value(reader, word))
    yield from running_rows()


def running_rows() -> Iterator[Row]:
    """Characters are kept as they are but for a byte order mark, and bytes always."""
    plain = sound("characters").encode()
    for kind, change in (ALIKE | {kind: change for kind, (change, _) in NO_TEXT.items()}).items():
        content = change(plain)
        if kind in ALIKE:
            found = gzip.decompress(content) if "gzip" in kind else content
            yield text_row(kind, "characters", content, found.removeprefix(MARK).decode())
        if content and len(set(content)) > 1:
            yield text_row(kind, "bytes", content, content.decode("latin-1"))
    yield text_row("empty", "bytes", b"", Refused("empty"))
    yield text_row("zero bytes alone", "bytes", bytes(9), Refused("nothing but"))
    for kind, blank in BLANKS.items():
        content = f"a{blank}b\n"
        yield text_row(kind, "characters", content.encode(), content)


# What a format says of its own.
TAGGED: dict[str, tuple[str, bytes, object]] = {  # reader, content, what must happen
    "more columns": ("columns", b"a X\nb Y y\n", Refused("line 2 has 3 columns")),
    "fewer columns": ("columns", b"a x X\nb Y\n", Refused("line 2 has 2 columns")),
    "one column": ("columns", b"a\nb\n", Refused("line 1 has 1 columns")),
    "a word alone in the middle": ("columns", b"a X\nb\nc X\n", Refused("line 2 has 1 columns")),
    "a tab for a blank on one line": ("columns", b"a X\nb\tY\n", [[("a", "X"), ("b", "Y")]]),
    "several blanks": ("columns", b"a   X\nbb  Y\n", [[("a", "X"), ("bb", "Y")]]),
    "blanks and tabs between": ("columns", b"a \t X\nb\tY\n", [[("a", "X"), ("b", "Y")]]),
    "blanks before and after": ("columns", b"  a X  \n b Y \n", [[("a", "X"), ("b", "Y")]]),
    "a blank in a word": ("columns with tabs", b"New York\tX\nb\tY\n",
                          [[("New York", "X"), ("b", "Y")]]),
    "a tab too many at the end": ("columns with tabs", b"a\tX\t\n", Refused("empty column")),
    "a tab too many between": ("columns with tabs", b"a\tX\nb\t\tY\n", Refused("3 columns")),
    "no word": ("columns with tabs", b"\tX\n", Refused("empty column")),
    "no label": ("columns with tabs", b"a\t\n", Refused("empty column")),
    "a label of blanks": ("columns with tabs", b"a\t  \n", Refused("empty column")),
    "a no-break blank as a word": ("columns", "\xa0 X\nb Y\n".encode(),
                                   [[("\xa0", "X"), ("b", "Y")]]),
    "a line of a no-break blank": ("columns", "a X\n\xa0\nb Y\n".encode(),
                                   Refused("line 2 has 1 columns")),
    "lines of blanks between": ("columns", b"a X\n  \n\t\nb Y\n", [[("a", "X")], [("b", "Y")]]),
    "documents": ("columns", b"-DOCSTART- O\n\na X\n\n-DOCSTART- O\nb Y\n",
                  [[("a", "X")], [("b", "Y")]]),
    "documents alone": ("columns", b"-DOCSTART- O\n\n", Refused("no labelled words")),
    "a hash is a word": ("columns", b"# X\nb Y\n", [[("#", "X"), ("b", "Y")]]),
    "a quotation mark": ("columns", b'" X\n\'\' Y\n', [[('"', "X"), ("\'\'", "Y")]]),
    "blank lines before and after": ("columns", b"\n\na X\n\n\n", [[("a", "X")]]),
    "blanks for tabs": ("CoNLL-U", b"1 a a X\n2 b b Y\n", [[("a", "X"), ("b", "Y")]]),
    "comments alone": ("CoNLL-U", b"# a\n# b\n", Refused("no labelled words")),
    "no numbers": ("CoNLL-U", b"a\tX\nb\tY\n", Refused("no labelled words")),
    "too few columns": ("CoNLL-U", b"1\ta\tX\n", Refused("column 4 was requested")),
    "ragged": ("CoNLL-U", b"1\ta\ta\tX\n2\tb\tb\n", Refused("line 2 has 3 columns")),
    "ranges and empty words": ("CoNLL-U", b"1-2\tab\t_\t_\n1\ta\t_\tX\n1.1\tc\t_\tZ\n",
                               [[("a", "X")]]),
    "an empty label": ("CoNLL-U", b"1\ta\t_\t\n", Refused("empty column")),
    "comments between the words": ("CoNLL-U", b"1\ta\t_\tX\n# c\n2\tb\t_\tY\n",
                                   [[("a", "X"), ("b", "Y")]]),
    "no slash": ("slashes", b"a/X b\n", Refused("'b' is not word/LABEL")),
    "no label behind the slash": ("slashes", b"a/ b/Y\n", Refused("is not word/LABEL")),
    "no word before the slash": ("slashes", b"/X b/Y\n", Refused("is not word/LABEL")),
    "a slash alone": ("slashes", b"a/X / b/Y\n", Refused("is not word/LABEL")),
    "slashes in words": ("slashes", b"1/2/CD and/or/CC\n", [[("1/2", "CD"), ("and/or", "CC")]]),
    "an address": ("slashes", b"http://a.b/c/X\n", [[("http://a.b/c", "X")]]),
    "tabs between": ("slashes", b"a/X\tb/Y\n", [[("a", "X"), ("b", "Y")]]),
    "columns in the place": ("slashes", b"a X\nb Y\n", Refused("is not word/LABEL")),
    "two hundred thousand words": ("slashes", b"a/X " * 200_000, [[("a", "X")] * 200_000]),
}  # fmt: skip
VECTORS: dict[str, tuple[bytes, object]] = {
    "a header": (b"2 2\na 1 2\nb 3 4\n", {"a": [1, 2], "b": [3, 4]}),
    "a header with a tab": (b"2\t2\na\t1\t2\nb\t3\t4\n", {"a": [1, 2], "b": [3, 4]}),
    "tabs after the words": (b"a\t1 2\nb\t3 4\n", {"a": [1, 2], "b": [3, 4]}),
    "tabs for all blanks": (b"a\t1\t2\nb\t3\t4\n", {"a": [1, 2], "b": [3, 4]}),
    "blanks at line ends": (b"a 1 2 \nb 3 4 \n", {"a": [1, 2], "b": [3, 4]}),
    "blank lines": (b"a 1 2\n\nb 3 4\n\n", {"a": [1, 2], "b": [3, 4]}),
    "a word with blanks": (b"a 1 2\nNew York 3 4\n", {"a": [1, 2], "New York": [3, 4]}),
    "first a word with blanks": (b". . 1 2\nb 3 4\n", {". .": [1, 2], "b": [3, 4]}),
    "numbers as words": (b"7 1 2\n1999 3 4\n", {"7": [1, 2], "1999": [3, 4]}),
    "nan as a word": (b"a 1 2\nnan 3 4\n", {"a": [1, 2], "nan": [3, 4]}),
    "a word twice": (b"a 1 2\na 3 4\n", {"a": [1, 2]}),
    "exponents": (b"a 1e-1 -2E+1\nb +.5 0\n", {"a": [np.float32(0.1), -20], "b": [0.5, 0]}),
    "one number each": (b"a 1\nb 2\n", {"a": [1], "b": [2]}),
    "fewer numbers": (b"a 1 2\nb 3\n", Refused("line 2 has 1 numbers")),
    "more numbers": (b"a 1 2\nb 3 4 5\n", Refused("line 2 has 3 numbers")),
    "a header of another length": (b"2 3\na 1 2\nb 3 4\n", Refused("line 1 gives 3")),
    "a header of more vectors": (b"3 2\na 1 2\nb 3 4\n", Refused("announces 3 vectors")),
    "a header of fewer vectors": (b"1 2\na 1 2\nb 3 4\n", Refused("announces 1 vectors")),
    "a header alone": (b"2 2\n", Refused("no vectors")),
    "a header of length 0": (b"2 0\na\nb\n", Refused("not a word followed by numbers")),
    "NaN": (b"a 1 nan\nb 3 4\n", Refused("not finite")),
    "NaN in a later line": (b"a 1 2\nb nan 4\n", Refused("not finite")),
    "infinity": (b"a 1 inf\nb 3 4\n", Refused("not finite")),
    "beyond float32": (b"a 1 1e39\nb 3 4\n", Refused("not finite")),
    "decimal commas": (b"a 0,5 1,5\nb 3,0 4,0\n", Refused("not a word followed by numbers")),
    "commas between": (b"a,1,2\nb,3,4\n", Refused("not a word followed by numbers")),
    "underscores in numbers": (b"a 1_0 2\nb 3 4\n", Refused("line 1")),
    "digits of another script": ("a ١ ٢\nb ٣ ٤\n".encode(), Refused("line 1")),
    "words alone": (b"a\nb\n", Refused("not a word followed by numbers")),
    "numbers alone": (b"\n0.5\n", Refused("not a word followed by numbers")),
    "a word among the numbers": (b"a 1 2 3\nb 3 x 5\n", Refused("line 2")),
    "running text": (b"It was the best of times,\nit was the worst\n", Refused("line 1")),
    "fastText's binary format": (b"\xba\x16\x4f\x2f\x0c\0\0\0", Refused("fastText's binary")),
    "a pickle": (b"\x80\x04\x95\x1a\0\0\0", Refused("pickled")),
    "a NumPy array": (b"\x93NUMPY\x01\0v\0{'descr': '<f4'}", Refused("")),
}


def binary(known: dict[str, list], count: int | None = None) -> bytes:
    """word2vec's binary format, with a count that may be wrong."""
    width = len(next(iter(known.values())))
    records = (w.encode() + b" " + np.array(v, "<f4").tobytes() + b"\n" for w, v in known.items())
    return f"{len(known) if count is None else count} {width}\n".encode() + b"".join(records)


KNOWN = {"in": [0.25, 1, 2], "New_York": [3, 4, -5], "Straße": [6, 7, 8]}
NOT_FINITE = {"in": [1, 2, np.nan], "of": [3, 4, 5]}
BINARY: dict[str, tuple[bytes, object]] = {
    "binary": (binary(KNOWN), KNOWN),
    "binary without line ends": (binary(KNOWN).replace(b"\nN", b"N").replace(b"\nS", b"S"), KNOWN),
    "binary in gzip": (zipped(binary(KNOWN)), KNOWN),
    "binary, cut within a vector": (binary(KNOWN)[:-6], Refused("ends after 2")),
    "binary, cut within a word": (binary(KNOWN)[:-18], Refused("ends after 2")),
    "binary, cut after the header": (binary(KNOWN)[:6], Refused("")),
    "binary, more announced": (binary(KNOWN, 9), Refused("announces 9 vectors")),
    "binary, fewer announced": (binary(KNOWN, 2), Refused("has other data")),
    "binary, none announced": (binary(KNOWN, 0), Refused("has other data")),
    "binary, another length": (binary(KNOWN).replace(b"3 3", b"3 4", 1), Refused("")),
    "binary, a huge count": (binary(KNOWN, 10**17), Refused("ends after 3")),
    "binary, with NaN": (binary(NOT_FINITE), Refused("not finite")),
    "binary, a word that is not UTF-8": (
        binary(KNOWN).replace("Straße".encode(), b"Stra\xdfe"),
        {word.replace("ß", "\ufffd"): vector for word, vector in KNOWN.items()}),
    "binary in gzip, cut": (zipped(binary(KNOWN))[:-9], Refused("damaged gzip")),
}  # fmt: skip


def format_rows() -> Iterator[Row]:
    """What goes wrong in one format alone."""
    for kind, (reader, content, expected) in TAGGED.items():
        yield text_row(kind, reader, content, expected)
    for kind, (content, expected) in (VECTORS | BINARY).items():
        yield text_row(kind, "vectors", content, expected)
    for kind, (content, expected) in TREES.items():
        yield text_row(kind, "trees", content.encode(), expected)
    for kind, (content, expected) in RUNNING_TEXTS.items():
        for reader in ("characters", "bytes"):
            yield text_row(kind, reader, content.encode(), expected)
    for kind, (content, expected) in WORD_TEXTS.items():
        for reader in WORDS:
            yield text_row(kind, reader, content.encode(), expected)


TREE = Refused("is not a tree")
TREES: dict[str, tuple[str, object]] = {
    "no label": ("((2 so) (4 good))", TREE), "no words": ("(3 )", TREE),
    "a label alone": ("3", TREE),
    "not closed": ("(3 (2 so) (4 good)", TREE), "closed twice": ("(3 so))", TREE),
    "two trees": ("(3 so) (2 so) x", TREE), "a label of five": ("(5 so)", TREE),
    "a negative label": ("(-1 so)", TREE), "a word for a label": ("(good so)", TREE),
    "words alone": ("so good", TREE), "brackets alone": ("()", TREE),
    "a label of two digits": ("(10 so)", TREE), "tabs": ("(3\t(2\tso)\t(4\tgood))",
                                                      [(3, ["so", "good"])]),
    "blank lines": ("\n(3 so)\n\n\n(1 bad)\n", [(3, ["so"]), (1, ["bad"])]),
    "an escaped slash": ("(3 and\\/or)", [(3, ["and/or"])]),
    "a thousand levels": ("(2 " * 1000 + "x" + ")" * 1000, [(2, ["x"])]),
}  # fmt: skip
RUNNING_TEXTS: dict[str, tuple[str, object]] = {
    "one symbol": ("a", Refused("nothing but 'a'")), "one symbol often": ("aaaa", Refused("'a'")),
    "a line end alone": ("\n", Refused("nothing but")), "two symbols": ("ab", "ab"),
    "two line ends": ("\r\n", "\r\n"),
    "control characters": ("a\x01\x1b[0m\x7f", "a\x01\x1b[0m\x7f"),
    "one line of 400,000 symbols": ("ab" * 200_000, "ab" * 200_000),
}  # fmt: skip
WORD_TEXTS: dict[str, tuple[str, object]] = {
    "each word once": ("a b c\nd e f\n", Refused("no word occurs twice")),
    "one word": ("a\n", Refused("no word occurs twice")), "a word twice": ("a a\n", "a a\n"),
    "unknown words alone": ("<unk> <unk>\n<unk>\n", Refused("no words to train on")),
    "line ends as words": ("<eos> <eos>\n", Refused("no words to train on")),
    "some unknown words": ("a <unk> a\n", "a <unk> a\n"), "tabs": ("a\ta\t\tb b\n", "a a b b\n"),
    "blanks at both ends": ("  a a  \n\t\n", "a a\n\n"),
    "a carriage return within": ("a\ra\nb b\n", "a\na\nb b\n"),
    "200,000 words on a line": ("a b " * 100_000, "a b " * 99_999 + "a b\n"),
}  # fmt: skip


def pair_rows() -> Iterator[Row]:
    """Sentence pairs in two files that do not belong together, and in one with tabs."""
    kinds: dict[str, tuple[bytes, bytes, object]] = {
        "fewer lines in the target": (b"a\nb\nc\n", b"a\nb\n", Refused("3 lines but")),
        "fewer lines in the source": (b"a\nb\n", b"a\nb\nc\n", Refused("2 lines but")),
        "one line more, blank": (b"a\nb\n\n", b"a\nb\n", Refused("3 lines but")),
        "a last line without its end": (b"a\nb\nc\n", b"x\ny\nz",
                                        [("a", "x"), ("b", "y"), ("c", "z")]),
        "line ends of two systems": (b"a\nb\nc\n", b"x\r\ny\r\nz\r\n",
                                     [("a", "x"), ("b", "y"), ("c", "z")]),
        "a mark in one": (MARK + b"a\nb\nc\n", b"x\ny\nz\n", [("a", "x"), ("b", "y"), ("c", "z")]),
        "one in gzip": (zipped(b"a\nb\nc\n"), b"x\ny\nz\n", [("a", "x"), ("b", "y"), ("c", "z")]),
        "empty sides": (b"a\n\nc\nd\ne\n", b"x\ny\n \nz\nw\n",
                        [("a", "x"), ("d", "z"), ("e", "w")]),
        "a line separator in one": ("a\nb\u2028B\nc\n".encode(), b"x\ny\nz\n",
                                    [("a", "x"), ("b\u2028B", "y"), ("c", "z")]),
        "a next line in one": ("a\nb\x85B\nc\n".encode(), b"x\ny\nz\n",
                               [("a", "x"), ("b\x85B", "y"), ("c", "z")]),
        "a form feed in one": (b"a\nb\x0cB\nc\n", b"x\ny\nz\n",
                               [("a", "x"), ("b\x0cB", "y"), ("c", "z")]),
        "two pairs": (b"a\nb\n", b"x\ny\n", Refused("2 pairs without an empty side")),
        "no pair that is whole": (b"a\n\nc\n", b"\ny\n\n", Refused("0 pairs")),
        "one side empty": (b"a\nb\nc\n", b"", Refused("3 lines but")),
        "one side not UTF-8": (b"a\nb\nc\n", b"x\ny\xff\nz\n", Refused("t.txt, line 2")),
        "one side UTF-16": (b"a\nb\nc\n", b"\xff\xfex\0\n\0", Refused("t.txt is UTF-16")),
        "one side zipped": (b"a\nb\nc\n", packed(b"x\ny\nz\n", "zip"), Refused("t.txt is a zip")),
    }  # fmt: skip
    for kind, (source, target, expected) in kinds.items():
        files = {"s.txt": source, "t.txt": target}
        yield Row(kind, "pairs", files, "DIR/s.txt,DIR/t.txt", expected)
    whole = {"s.txt": b"a\nb\nc\n", "t.txt": b"x\ny\nz\n"}
    three = [("a", "x"), ("b", "y"), ("c", "z")]
    for kind, path, expected in (
        ("a blank after the comma", "DIR/s.txt, DIR/t.txt", three),
        ("three files", "DIR/s.txt,DIR/t.txt,DIR/t.txt", Refused("give two files")),
        ("no target", "DIR/s.txt,", Refused("give two files")),
        ("no source", ",DIR/t.txt", Refused("give two files")),
        ("commas alone", ",./,", Refused("give two files")),
        ("a target that is not there", "DIR/s.txt,DIR/u.txt", Refused("u.txt cannot be read")),
        ("a folder as target", "DIR/s.txt,DIR", Refused("cannot be read")),
        ("one file without tabs", "DIR/s.txt", Refused("line 1 has no tab")),
    ):
        yield Row(kind, "pairs", whole, path, expected)
    tabs: dict[str, tuple[bytes, object]] = {
        "more columns": (b"a\tx\tCC\nb\ty\nc\tz\t\t\n", three),
        "a line without a tab": (b"a\tx\nb y\nc\tz\n", Refused("line 2 has no tab")),
        "blank lines": (b"a\tx\n\n\nb\ty\n \nc\tz\n", three),
        "blanks around the tab": (b"a \t x\nb\ty \n c\tz\n", three),
        "empty sides": (b"\tx\na\tx\nb\t\nb\ty\nc\tz\n\t\n", three),
        "commas for tabs": (b"a,x\nb,y\nc,z\n", Refused("line 1 has no tab")),
        "two pairs": (b"a\tx\nb\ty\n", Refused("2 pairs")),
        "quotation marks": (b'"a\tx\nb"\ty\nc\tz\n', [('"a', "x"), ('b"', "y"), ("c", "z")]),
    }
    for kind, (content, expected) in tabs.items():
        yield text_row(f"with tabs, {kind}", "pairs", content, expected)


SENTENCE = b"a A\nb B\n\n"


def corpus_rows() -> Iterator[Row]:
    """A tagger's file or folder: parts that are missing, the same, or have nothing to learn."""
    ten = [[["a", "b"]] * n for n in (8, 1, 1)]
    both = {"train.txt": SENTENCE * 8, "test.txt": SENTENCE}
    kinds: dict[str, tuple[dict[str, object], str, object]] = {
        "ten sentences": ({"f.txt": SENTENCE * 10}, "DIR/f.txt", ten),
        "one sentence": ({"f.txt": SENTENCE}, "DIR/f.txt", Refused("training part has no")),
        "two sentences": ({"f.txt": SENTENCE * 2}, "DIR/f.txt", Refused("training part has no")),
        "three sentences": ({"f.txt": SENTENCE * 3}, "DIR/f.txt", [[["a", "b"]]] * 3),
        "one label": ({"f.txt": b"a A\nb A\n\n" * 9}, "DIR/f.txt", Refused("the same label")),
        "a folder": (both, "DIR", [[["a", "b"]] * 7, [["a", "b"]], [["a", "b"]]]),
        "an empty folder": ({}, "DIR", Refused("has no train file")),
        "no test part": ({"train.txt": SENTENCE}, "DIR", Refused("has no test file")),
        "no training part": ({"test.txt": SENTENCE}, "DIR", Refused("has no train file")),
        "two training parts": (both | {"train.conll": SENTENCE}, "DIR", Refused("both a train")),
        "a folder as training part": (
            {"train.txt": FOLDER, "test.txt": SENTENCE}, "DIR", Refused("has no train file")),
        "a part of two": ({"a-train-test.txt": SENTENCE}, "DIR", Refused("is both a")),
        "a hidden part": ({".train.txt": SENTENCE} | {"test.txt": SENTENCE}, "DIR",
                          Refused("has no train file")),
        "an empty test part": (both | {"test.txt": b""}, "DIR", Refused("test.txt is empty")),
        "an empty validation part": (both | {"dev.txt": b"\n"}, "DIR", Refused("dev.txt is empty")),
        "one training sentence": (both | {"train.txt": SENTENCE}, "DIR",
                                  Refused("training part has no")),
        "a test part in Latin-1": (both | {"test.txt": b"Stra\xdfe A\n"}, "DIR",
                                   Refused("test.txt, line 1 is not UTF-8")),
        "a training part in gzip": (both | {"train.txt": zipped(SENTENCE * 8)}, "DIR",
                                    [[["a", "b"]] * 7, [["a", "b"]], [["a", "b"]]]),
        "other files beside": (both | {"README": b"\xff", "x.png": b"\0"}, "DIR",
                               [[["a", "b"]] * 7, [["a", "b"]], [["a", "b"]]]),
        "a folder that is not there": ({}, "DIR/none", Refused("cannot be read")),
        "a name of no corpus": ({}, "tagged", Refused("choose grammar")),
        "no name": ({}, "", Refused("choose grammar")),
    }  # fmt: skip
    for kind, (files, path, expected) in kinds.items():
        yield Row(kind, "corpus", files, path, expected)
    for reader in ("characters", "bytes", *WORDS, "pairs with tabs"):
        for kind, path in (("a name of no text", "latin"), ("no name", ""), ("a blank", " ")):
            yield Row(kind, reader, {}, path, Refused("choose "))


# Labels under span scoring: whether they are spans, and which.
SPANS: dict[str, tuple[str, object]] = {
    "IOB2": ("B-X I-X O B-X", ["0-2 X", "3-4 X"]), "IOB1": ("I-X I-X B-X I-Y", ["0-2 X", "2-3 X",
                                                                             "3-4 Y"]),
    "IOBES": ("B-X E-X S-Y O", ["0-2 X", "2-3 Y"]), "IOBES of one type": (
        "B-X I-X E-X B-X E-X S-X", ["0-3 X", "3-5 X", "5-6 X"]),
    "BILOU": ("B-X L-X U-Y O U-Y", ["0-2 X", "2-3 Y", "4-5 Y"]),
    "BMEWO": ("B-X M-X E-X W-X O", ["0-3 X", "3-4 X"]),
    "no types": ("B I O B", ["0-2 ", "3-4 "]), "an end without a beginning": ("E-X O", ["0-1 X"]),
    "no end": ("B-X I-X O", ["0-2 X"]), "types that change": ("B-X I-Y", ["0-1 X", "1-2 Y"]),
    "singles in a row": ("S-X S-X", ["0-1 X", "1-2 X"]),
    "a hyphen in the type": ("B-X-Y I-X-Y O", ["0-2 X-Y"]),
    "no span": ("O O O", []), "parts of speech": ("DET NOUN VERB", None),
    "small letters": ("b-X i-X o", None), "types before marks": ("X-B X-I O", None),
    "underscores": ("B_X I_X O", None), "one label of no span": ("B-X I-X NOUN", None),
    "numbers": ("0 1 2", None), "a dash alone": ("- O", None),
    "no hyphen": ("BX IX O", None), "types alone": ("X X O", None),
}  # fmt: skip


def read_spans(labels):
    labels = labels.split(" ")
    if not all(map(spans.is_span_label, labels)):
        return None
    assert spans.are_spans(labels) == (set(labels) != {"O"})
    return [f"{span.start}-{span.end} {span.type}" for span in spans.spans_of(labels)]


READERS |= {"pairs": read_pairs, "span scoring": read_spans}


def span_rows() -> Iterator[Row]:
    """Labels of all encodings, and labels that are no spans."""
    for kind, (labels, expected) in SPANS.items():
        yield Row(kind, "span scoring", {}, labels, expected)


def picture(level: int = 255, size=(28, 28), mode: str = "L", paper: int = 0) -> Image.Image:
    """A square of a shade on paper of another."""
    pixels = np.full(size[::-1], paper, np.uint8)
    high, wide = (max(1, side // 4) for side in pixels.shape)
    pixels[high : 3 * high, wide : 3 * wide] = level
    return Image.fromarray(pixels).convert(mode)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@functools.cache
def png(level: int = 255) -> bytes:
    return saved(picture(level))


def transparent() -> Image.Image:
    """White ink on nothing but black that cannot be seen: paper is white, so nothing is shown."""
    image = picture().convert("LA")
    image.putalpha(Image.fromarray(np.asarray(picture())))
    return image


IMAGES = {"train/a/1.png": png(200), "train/b/2.png": png(100), "test/a/3.png": png(50)}
PARTS = [(0, 200), (1, 100)], [(0, 50)]
READ = (*PARTS, ("a", "b"))
PICTURES: dict[str, tuple[str, bytes, object]] = {  # ending, content, brightest pixel or Refused
    **{f"a {kind} file": (f".{kind.lower()}", saved(picture(180), kind, **options), 180)
       for kind, options in (("PNG", {}), ("BMP", {}), ("GIF", {}), ("TIFF", {}), ("PPM", {}),
                             ("WebP", {"lossless": True}))},
    "a JPEG file": (".jpg", saved(picture(), "JPEG", quality=100), 255),
    "a GIF that moves": (".gif", saved(picture(180), "GIF", save_all=True,
                                       append_images=[picture(90)]), 180),
    "a TIFF of two pages": (".tif", saved(picture(180), "TIFF", save_all=True,
                                          append_images=[picture(90)]), 180),
    "colours": (".png", saved(picture(180, mode="RGB")), 180),
    "an opaque fourth channel": (".png", saved(picture(180, mode="RGBA")), 180),
    "a palette": (".png", saved(picture(180, mode="P")), 180),
    "one bit": (".png", saved(picture(255, mode="1")), 255),
    "grey and opaque": (".png", saved(picture(180, mode="LA")), 180),
    "four inks": (".jpg", saved(picture(255, mode="CMYK"), "JPEG", quality=100), 255),
    "white on transparent": (".png", saved(transparent()), 0),
    "16 bits": (".png", saved(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8))),
                Refused("more than 8 bits")),
    "32 bits": (".tif", saved(picture(180).convert("I"), "TIFF"), Refused("more than 8 bits")),
    "floats": (".tif", saved(picture(180).convert("F"), "TIFF"), Refused("more than 8 bits")),
    **{f"{wide} times {high} pixels": (".png", saved(picture(size=(wide, high))), 255)
       for wide, high in ((8, 8), (32, 32), (200, 100), (100, 200), (300, 30))},
    "ink on paper": (".png", saved(picture(0, paper=255)), 255),
    "faint ink on grey paper": (".png", saved(picture(130, paper=200)), 125),
    "one shade": (".png", saved(picture(0)), 0),
    "one pixel": (".png", saved(picture(9, (1, 1))), 0),
    "another ending": (".jpg", png(180), 180), "an ending in capitals": (".PNG", png(180), 180),
    "text": (".png", b"not a picture\n", Refused("cannot be read as a picture")),
    "an empty file": (".png", b"", Refused("cannot be read as a picture")),
    "PostScript": (".png", b"%!PS-Adobe-3.0 EPSF-3.0\n", Refused("cannot be read as a picture")),
    "SVG": (".png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", Refused("cannot be read")),
    "a zip archive": (".jpg", packed(b"x", "zip"), Refused("cannot be read as a picture")),
    "a picture in gzip": (".png", zipped(png()), Refused("cannot be read as a picture")),
    "an icon": (".png", saved(picture(180), "ICO"), Refused("cannot be read as a picture")),
    **{f"a {kind} file cut short": (f".{kind.lower()}", saved(picture(180, (300, 300)), kind)[:-99],
                                    Refused("cannot be read as a picture"))
       for kind in ("PNG", "BMP", "TIFF", "PPM", "JPEG")},
    **{f"the beginning of a {kind} file": (f".{kind.lower()}", saved(picture(180), kind)[:20],
                                           Refused("cannot be read as a picture"))
       for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WebP")},
    "a PNG file with another sum": (".png", png().replace(b"IDAT", b"IDAT\0", 1),
                                    Refused("cannot be read as a picture")),
    "too many pixels": (".pgm", b"P5 10000 9000 255\n", Refused("more than 50,000,000 pixels")),
    "far too many pixels": (".pgm", b"P5 1000000 1000000 255\n", Refused("pixels")),
}  # fmt: skip
LEFT_OUT = {  # files that are no pictures by their names: they are left out
    "a text beside": {"train/a/notes.txt": b"x"},
    "Windows' list beside": {"train/a/Thumbs.db": b"x"},
    "a hidden file beside": {"train/b/.DS_Store": b"x"},
    "a HEIC file beside": {"test/a/x.heic": b"x"},
    "a folder within": {"train/a/more": FOLDER}, "a hidden folder": {"train/.git/x.png": png()},
    "a folder called picture": {"train/a/x.png": FOLDER}, "a text in train": {"train/x.txt": b"x"},
    "a picture in train": {"train/x.png": png(1)}, "a third part": {"valid/a/x.png": png(1)},
}  # fmt: skip


def image_rows() -> Iterator[Row]:
    """Folders of pictures: each picture alone, and the layout of all."""
    for kind, (ending, content, expected) in PICTURES.items():
        if not isinstance(expected, Refused):
            expected = ([*READ[0], (1, expected)], *READ[1:])
            expected[0].sort()
        yield Row(kind, "images", IMAGES | {f"train/b/x{ending}": content}, "DIR", expected)
    for kind, files in LEFT_OUT.items():
        yield Row(kind, "images", IMAGES | files, "DIR", READ)
    one, two, test = IMAGES.items()
    classes: dict[str, tuple[dict[str, object], object]] = {
        "sound": (IMAGES, READ),
        "one class alone": (dict([one, test]), Refused("all training images are of class a")),
        "a class in the test set alone": (IMAGES | {"test/c/4.png": png()}, Refused("is a class")),
        "a class without pictures": (IMAGES | {"train/c": FOLDER}, Refused("has no pictures")),
        "a test class without pictures": (IMAGES | {"test/b": FOLDER}, Refused("has no pictures")),
        "a class of texts": (IMAGES | {"train/c/x.txt": b"x"}, Refused("has no pictures")),
        "no test set": (dict([one, two]), Refused("holds neither")),
        "no training set": (dict([test]), Refused("holds neither")),
        "an empty test set": (dict([one, two, ("test", FOLDER)]), Refused("has no classes")),
        "no folders of classes": (
            {"train/1.png": png(), "test/2.png": png()}, Refused("has no classes")),
        "a file as training set": ({"train": b"x", "test/a/3.png": png()}, Refused("neither")),
        "pictures alone": ({"1.png": png()}, Refused("holds neither")),
        "nothing": ({}, Refused("holds neither")),
        "pictures of one shade alone": (
            {name: saved(picture(0)) for name in IMAGES}, Refused("3 of 3 pictures are of one")),
        "classes with blanks and accents": (
            {"train/é a/1.png": png(200), "train/b/2.png": png(100), "test/b/3.png": png(50)},
            ([(0, 100), (1, 200)], [(0, 50)], ("b", "é a"))),
        "a link to a picture": (IMAGES | {"train/b/4.png": Link("2.png")},
                                ([(0, 200), (1, 100), (1, 100)], *READ[1:])),
        "a link to nothing": (IMAGES | {"train/b/4.png": Link("5.png")}, Refused("4.png")),
        "a link to a device": (IMAGES | {"train/b/4.png": Link("/dev/zero")}, Refused("4.png")),
    }  # fmt: skip
    for kind, (files, expected) in classes.items():
        yield Row(kind, "images", files, "DIR", expected)
    path = "DIR/train/a/1.png"
    yield Row("a picture for a folder", "images", IMAGES, path, Refused("is not a folder"))
    yield Row("a folder not there", "images", IMAGES, "DIR/none", Refused("is not a folder"))
    yield Row("nobody's folder", "images", IMAGES, "~nobody-of-this-name", Refused("no such home"))
    yield Row("too long a name", "images", IMAGES, "DIR/" + "n" * 300, Refused("is not a folder"))


def idx(values, kind: int = 8, shape: tuple[int, ...] | None = None, order: str = ">") -> bytes:
    """An IDX file; kind 8 is unsigned bytes."""
    values = np.asarray(values)
    sizes = np.array(values.shape if shape is None else shape, f"{order}u4")
    return bytes([0, 0, kind, len(sizes)]) + sizes.tobytes() + values.astype(np.uint8).tobytes()


FIELD = np.stack([np.asarray(picture(level)) for level in (200, 100, 50)])
FOUR = dict(zip(
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
     "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    (idx(FIELD[:2]), idx([0, 1]), idx(FIELD[2:]), idx([0])), strict=True,
))  # fmt: skip
PIXELS, LABELS, TEST_PIXELS, TEST_LABELS = FOUR


def idx_rows() -> Iterator[Row]:
    """MNIST's four files."""
    read = (*PARTS, ("0", "1"))
    changed: dict[str, tuple[dict[str, object], object]] = {
        "plain": ({}, read),
        "labels from one": ({LABELS: idx([1, 2]), TEST_LABELS: idx([1])},
                            ([(1, 200), (2, 100)], [(1, 50)], ("0", "1", "2"))),
        "other files beside": ({"readME": b"x"}, read),
        "images and labels swapped": ({PIXELS: FOUR[LABELS], LABELS: FOUR[PIXELS]},
                                      Refused("are the two files swapped")),
        "labels of the other part": ({LABELS: FOUR[TEST_LABELS]}, Refused("2 images but 1 labels")),
        "one label more": ({LABELS: idx([0, 1, 1])}, Refused("2 images but 3 labels")),
        "a label in the test set alone": ({TEST_LABELS: idx([7])}, Refused("label 7")),
        "one class": ({LABELS: idx([0, 0])}, Refused("of class 0")),
        "no training images": ({PIXELS: idx(FIELD[:0]), LABELS: idx([])}, Refused("")),
        "no test images": ({TEST_PIXELS: idx(FIELD[:0]), TEST_LABELS: idx([])}, Refused("empty")),
        "images of 32x32": ({PIXELS: idx(np.zeros((2, 32, 32)))}, Refused("are 32x32")),
        "images of 28x27": ({TEST_PIXELS: idx(np.zeros((1, 28, 27)))}, Refused("are 28x27")),
        "images of no pixels": ({PIXELS: idx(np.zeros((2, 0, 28)))}, Refused("no pixels")),
        "floats": ({PIXELS: idx(FIELD[:2], kind=0x0D)}, Refused("type 0x0d")),
        "signed bytes": ({LABELS: idx([0, 1], kind=9)}, Refused("type 0x09")),
        "colours": ({PIXELS: idx(np.zeros((2, 28, 28, 3)))}, Refused("4-dimensional")),
        "little-endian sizes": ({PIXELS: idx(FIELD[:2], order="<")}, Refused("claims to hold")),
        "a size too large": ({PIXELS: idx(FIELD[:2], shape=(3, 28, 28))}, Refused("cut short")),
        "a size too small": ({PIXELS: idx(FIELD[:2], shape=(1, 28, 28))}, Refused("goes on")),
        "a huge size": ({PIXELS: idx(FIELD[:2], shape=(2**31, 28, 28))}, Refused("claims to hold")),
        "a byte too few": ({PIXELS: FOUR[PIXELS][:-1]}, Refused("cut short")),
        "a byte too many": ({LABELS: FOUR[LABELS] + b"\0"}, Refused("goes on")),
        "cut in the header": ({PIXELS: FOUR[PIXELS][:10]}, Refused("within its header")),
        "cut in the magic number": ({PIXELS: FOUR[PIXELS][:3]}, Refused("is not an IDX file")),
        "an empty file": ({TEST_LABELS: b""}, Refused("is empty")),
        "text": ({LABELS: b"0\n1\n"}, Refused("is not an IDX file")),
        "a picture": ({PIXELS: png()}, Refused("is not an IDX file")),
        "a NumPy array": ({PIXELS: b"\x93NUMPY\x01\0v\0"}, Refused("is not an IDX file")),
        "a zip archive": ({PIXELS: packed(FOUR[PIXELS], "zip")}, Refused("is not an IDX file")),
        "gzip under the plain name": ({PIXELS: zipped(FOUR[PIXELS])}, read),
        "gzip cut short": ({PIXELS: zipped(FOUR[PIXELS])[:-9]}, Refused("damaged gzip")),
        "gzip with another sum": ({PIXELS: zipped(FOUR[PIXELS])[:-8] + bytes(8)},
                                  Refused("damaged gzip")),
        "the beginning of gzip": ({LABELS: zipped(FOUR[LABELS])[:4]}, Refused("damaged gzip")),
        "an empty gzip file": ({LABELS: zipped(b"")}, Refused("is empty")),
        "a folder": ({PIXELS: FOLDER}, Refused("cannot be read")),
        "a link to a device": ({LABELS: Link("/dev/zero")}, Refused("cannot be read")),
    }  # fmt: skip
    for kind, (files, expected) in changed.items():
        yield Row(f"IDX, {kind}", "images", FOUR | files, "DIR", expected)
    packed_up = {f"{name}.gz": zipped(content) for name, content in FOUR.items()}
    yield Row("IDX, gzip", "images", packed_up, "DIR", read)
    only_called_so = {f"{name}.gz": content for name, content in FOUR.items()}
    yield Row("IDX, .gz that is not", "images", only_called_so, "DIR", read)
    both = FOUR | {f"{LABELS}.gz": zipped(FOUR[TEST_LABELS])}
    yield Row("IDX, plain and gzip", "images", both, "DIR", read)
    dotted = {name.replace("-idx", ".idx"): content for name, content in FOUR.items()}
    yield Row("IDX, dots in the names", "images", dotted, "DIR", Refused(f"{PIXELS} is missing"))
    for name in FOUR:
        rest = {other: content for other, content in FOUR.items() if other != name}
        yield Row(f"IDX, no {name}", "images", rest, "DIR", Refused(f"{name} is missing"))


PUBLISHED = b"published\n" * 20
SUM = hashlib.sha256(PUBLISHED).hexdigest()


def read_raw(path):
    """A published file in the folder of raw files."""
    file = raw.RawFile("set", "file.txt", ("http://x.test/file.txt",), len(PUBLISHED), SUM)
    return raw.raw_file(file, path, "").read_bytes()


def read_archive(path):
    """A published file in an archive, as if it had just been downloaded."""
    path = pathlib.Path(path)
    kind = path.suffix.removeprefix(".")

    def retrieve(url, to, known_hash=None):
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(path.read_bytes())

    url = f"http://x.test/{path.name}"
    file = raw.RawFile("set", "file.txt", (url,), len(PUBLISHED), SUM, kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw, "_retrieve", retrieve)
        patch.delenv("UNFOLD_RAW_DIR", raising=False)
        return raw.raw_file(file, None, path.parent / "downloads").read_bytes()


def read_members(path):
    return mpqa.members(pathlib.Path(path).read_bytes(), path)


READERS |= {"raw file": read_raw, "archive": read_archive, "members": read_members}


def archive(kind: str, *members: tuple[str, bytes]) -> bytes:
    """A zip or tar archive of files; a name that ends in a slash is a folder."""
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as files:
            for name, content in members:
                files.writestr(name, content)
        return file.getvalue()
    with tarfile.open(fileobj=file, mode=kind) as files:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            files.addfile(info, io.BytesIO(content))
    return file.getvalue()


def linked(target: str) -> bytes:
    """A tar.gz archive whose file.txt is a link."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as files:
        info = tarfile.TarInfo("file.txt")
        info.type, info.linkname = tarfile.SYMTYPE, target
        files.addfile(info)
    return file.getvalue()


def published_rows() -> Iterator[Row]:
    """Published files, as they are and out of archives."""
    name = "set/file.txt"
    raws: dict[str, tuple[dict[str, object], str, object]] = {
        "as published": ({name: PUBLISHED}, "DIR", PUBLISHED),
        "no file": ({}, "DIR", Refused("is missing; put file.txt (200 bytes")),
        "cut short": ({name: PUBLISHED[:-1]}, "DIR", Refused("is cut short (199 of 200 bytes)")),
        "empty": ({name: b""}, "DIR", Refused("is cut short (0 of 200")),
        "a byte longer": ({name: PUBLISHED + b"x"}, "DIR", Refused("is a different file")),
        "another byte": ({name: b"P" + PUBLISHED[1:]}, "DIR", Refused("is a different file")),
        "Windows line ends": ({name: PUBLISHED.replace(b"\n", b"\r\n")}, "DIR",
                              Refused("is a different file")),
        "a byte order mark": ({name: MARK + PUBLISHED}, "DIR", Refused("is a different file")),
        "gzip": ({name: zipped(PUBLISHED)}, "DIR", Refused("is cut short")),
        "a page that says it is not there": (
            {name: b"<!DOCTYPE html><title>404</title>" * 20}, "DIR", Refused("different file")),
        "a folder": ({name: FOLDER}, "DIR", Refused("")),
        "a link to nothing": ({name: Link("x")}, "DIR", Refused("is missing")),
        "a raw folder that is not there": ({}, "DIR/none", Refused("is missing")),
        "a file as raw folder": ({"f": b"x"}, "DIR/f", Refused("is missing")),
        "nobody's raw folder": ({}, "~nobody-of-this-name", Refused("no such home folder")),
    }  # fmt: skip
    for kind, (files, path, expected) in raws.items():
        yield Row(kind, "raw file", files, path, expected)
    zip_, tar = archive("zip", ("a/file.txt", PUBLISHED)), archive("w", ("a/file.txt", PUBLISHED))
    other = Refused("is a different file")
    archives_: dict[str, tuple[str, bytes, object]] = {
        "gzip": ("gz", zipped(PUBLISHED), PUBLISHED), "zip": ("zip", zip_, PUBLISHED),
        "tar": ("tar", tar, PUBLISHED), "tar.gz": ("tar", zipped(tar), PUBLISHED),
        "tar.bz2": ("tar", bz2.compress(tar), PUBLISHED),
        "tar.xz": ("tar", lzma.compress(tar), PUBLISHED),
        "gzip cut short": ("gz", zipped(PUBLISHED)[:-9], Refused("damaged gz")),
        "gzip with another sum": ("gz", zipped(PUBLISHED)[:-8] + bytes(8), Refused("damaged gz")),
        "gzip of another file": ("gz", zipped(b"x" * 200), other),
        "gzip of more": ("gz", zipped(PUBLISHED + b"x"), other),
        "gzip of less": ("gz", zipped(PUBLISHED[:-1]), Refused("cut short")),
        "gzip that expands": ("gz", zipped(bytes(10**6)), other),
        "empty gzip": ("gz", b"", Refused("cut short")),
        "plain for gzip": ("gz", PUBLISHED, Refused("gz")),
        "a page for gzip": ("gz", b"<html>", Refused("damaged gz")),
        "zip cut short": ("zip", zip_[:-30], Refused("damaged zip")),
        "zip with another byte": (
            "zip", zip_.replace(b"published", b"Published", 1), Refused("damaged zip")),
        "zip without the file": (
            "zip", archive("zip", ("b.txt", PUBLISHED)), Refused("no file.txt")),
        "zip with the file twice": (
            "zip", archive("zip", ("a/file.txt", PUBLISHED), ("b/file.txt", PUBLISHED)),
            Refused("contains 2 file.txt")),
        "zip of another file": ("zip", archive("zip", ("file.txt", b"x" * 200)), other),
        "zip with a folder of the name": ("zip", archive("zip", ("file.txt/", b"")), Refused("")),
        "empty zip": ("zip", archive("zip"), Refused("no file.txt")),
        "no bytes for zip": ("zip", b"", Refused("damaged zip")),
        "gzip for zip": ("zip", zipped(PUBLISHED), Refused("damaged zip")),
        "a way out of the folder": (
            "zip", archive("zip", ("../../file.txt", PUBLISHED)), PUBLISHED),
        "tar cut short": ("tar", tar[:600], Refused("damaged tar")),
        "tar.gz cut short": ("tar", zipped(tar)[:-20], Refused("damaged tar")),
        "tar without the file": ("tar", archive("w", ("b.txt", b"x")), Refused("no file.txt")),
        "tar of a link": ("tar", linked("/etc/passwd"), Refused("no file.txt")),
        "zip for tar": ("tar", zip_, Refused("damaged tar")),
        "no bytes for tar": ("tar", b"", Refused("")),
    }  # fmt: skip
    for kind, (ending, content, expected) in archives_.items():
        path = f"a.{ending}"
        yield Row(kind, "archive", {path: content}, f"DIR/{path}", expected)
    members: dict[str, tuple[bytes, object]] = {
        "tar.gz": (zipped(tar), {"a/file.txt": PUBLISHED}),
        "an empty archive": (archive("w:gz"), {}),
        "tar": (tar, Refused("damaged gzip")), "a zip archive": (zip_, Refused("damaged gzip")),
        "no bytes": (b"", Refused("damaged archive")),
        "gzip of text": (zipped(PUBLISHED), Refused("damaged archive")),
        "cut short": (zipped(tar)[:-20], Refused("damaged gzip")),
        "a file cut short": (zipped(tar[:600]), Refused("damaged archive")),
        "a link": (linked("/etc/passwd"), Refused("not a regular file")),
        "a way out": (archive("w:gz", ("../x", b"x")), Refused("not a regular file")),
        "a path from the root": (archive("w:gz", ("/x", b"x")), Refused("not a regular file")),
    }
    for kind, (content, expected) in members.items():
        yield Row(kind, "members", {"a.tar.gz": content}, "DIR/a.tar.gz", expected)


TABLE = [
    *text_rows(), *format_rows(), *pair_rows(), *corpus_rows(), *span_rows(), *image_rows(),
    *idx_rows(), *published_rows(),
]  # fmt: skip


def lay_out(folder: pathlib.Path, files: dict[str, object]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == FOLDER:
            path.mkdir()
        elif isinstance(content, Link):
            path.symlink_to(content.target)
        else:
            path.write_bytes(content)


def test_the_table_has_500_rows_each_of_its_own():
    assert len(TABLE) >= 500
    assert len({row.name for row in TABLE}) == len(TABLE)
    given = [(row.reader, row.path, *sorted(map(str, row.files.items()))) for row in TABLE]
    assert len(set(given)) == len(given)


def fault(row: Row, folder: pathlib.Path) -> str:
    """What is wrong with what a reader makes of a row; nothing if all is right."""
    folder.mkdir()
    lay_out(folder, row.files)
    refused = isinstance(row.expected, Refused)
    try:
        found = READERS[row.reader](row.path.replace("DIR", str(folder)))
    except UserError as error:
        names = [str(folder), *map(os.path.basename, row.files), row.path.strip()]
        return "" if refused and is_plain(str(error), row.expected.text, names) else str(error)
    except Exception as error:
        return f"a traceback: {error!r}"
    return "" if not refused and found == row.expected else f"accepted: {str(found)[:200]}"


def is_plain(sentence: str, text: str, names: list[str]) -> bool:
    """Whether it is one sentence that contains the text and one of the names."""
    short = sentence[-1] in ".?" and "\n" not in sentence and len(sentence) < 1000
    return short and text in sentence and any(name in sentence for name in names)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("reader", READERS)
def test_inputs_are_read_or_refused(reader, tmp_path):
    rows = [row for row in TABLE if row.reader == reader]
    found = {row.kind: fault(row, tmp_path / str(n)) for n, row in enumerate(rows)}
    assert found and {kind: fault for kind, fault in found.items() if fault} == {}


def test_files_that_are_no_pictures_are_said(tmp_path, caplog):
    lay_out(tmp_path, IMAGES | {"train/a/x.heic": b"x", "train/b/.DS_Store": b"x"})
    image_folder.load(tmp_path)
    assert "1 files or folders are left out, such as" in caplog.text and "x.heic;" in caplog.text
