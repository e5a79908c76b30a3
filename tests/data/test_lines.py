"""Lines of text as all systems write them, in every reader of text."""

import pytest

from data import corpora, parallel_text, sst, tagged_files, word_corpora, word_vectors
from data.errors import UserError
from data.lines import lines_of

MARK = "\ufeff"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", MARK])
def test_marks_and_line_ends_are_not_part_of_lines(mark, end):
    text = f"{mark}one{end}{end}two{MARK}{end}".encode()
    assert lines_of(text, "file") == lines_of(text[: -len(end)], "file") == ["one", "", "two\ufeff"]


def test_nothing_else_ends_a_line():
    assert lines_of("a\u2028b\r\n\n\x0bc\rd".encode(), "file") == ["a\u2028b", "", "\x0bc\rd"]
    assert lines_of(b"", "file") == [] and lines_of(b"\n", "file") == [""]


def test_other_encodings_are_named():
    with pytest.raises(UserError, match="file, line 2 is not UTF-8 text .byte 2 .* is 0xff"):
        lines_of(b"a\nb\xff\n", "file")
    for encoding in ("utf-16-le", "utf-16-be"):
        with pytest.raises(UserError, match="file is UTF-16 text; convert it to UTF-8"):
            lines_of("\ufeffone\n".encode(encoding), "file")


def tagged(form):
    return lambda path: tagged_files.read_tagged(path, form)


CUTS = dict(valid_percent=20, test_percent=20)
READERS = {  # a text of lines, and its reader
    "columns": ("a X\nb Y\n\nc X\n", tagged("columns")),
    "conllu": ("# x\n1\ta\ta\tX\n2\tb\tb\tY\n\n1\tc\tc\tX\n", tagged("conllu")),
    "slashes": ("a/X b/Y\nc/X\n", tagged("slashes")),
    "vectors": ("a 1 2\nb 3 4\n", lambda path: word_vectors.read_vectors(path)[0]),
    "trees": ("(3 (2 so) (4 good))\n(1 a)\n", lambda path: sst.trees(path.read_bytes(), "t")),
    "pairs": ("a b\nc\nd\ne\nf\n", lambda path: parallel_text.load(f"{path},{path}", **CUTS)),
    "words": ("a b a\nb a b\na b a\nb b\n", lambda path: word_corpora.load(
        str(path), tokens="blanks", vocabulary=0, **CUTS).facts),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", MARK])
def test_every_reader_takes_marks_and_line_ends_as_such(reader, mark, end, tmp_path):
    text, read = READERS[reader]
    paths = tmp_path / "plain.txt", tmp_path / "other.txt"
    paths[0].write_bytes(text.encode())
    paths[1].write_bytes((mark + text.replace("\n", end)).encode())
    plain, other = map(read, paths)
    assert plain == other


def test_a_mark_is_no_character_of_running_text_but_three_of_its_bytes(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes((MARK + "ab\n" * 10).encode())
    assert corpora.load(str(path), unit="characters", **CUTS).symbols == "\nab"
    assert corpora.load(str(path), unit="bytes", **CUTS).symbols == "\nab\xbb\xbf\xef"


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", "\u2009", "\x0b", "\x85"])
def test_words_are_split_at_blanks_and_tabs_alone(blank, tmp_path):
    word = f"New{blank}York"
    path = tmp_path / "file.txt"
    for text in (f"{word} LOC\nis O\n", f"{word}\tLOC\nis\tO\n", f"{word}/LOC is/O\n"):
        path.write_text(text, encoding="utf-8")
        assert tagged_files.read_tagged(path).words == [[word, "is"]]
    assert sst.phrases(f"(2 (2 {word}) (3 is))", "line")[0] == (2, [word])
    path.write_text(f"{word} 1 2\nis 3 4\n", encoding="utf-8")
    assert word_vectors.read_vectors(path)[0] == [word, "is"]
    path.write_text(f"{word} is\n" * 10, encoding="utf-8")
    text = word_corpora.load(str(path), tokens="blanks", vocabulary=0, **CUTS)
    assert word in text.symbols
