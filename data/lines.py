"""The lines of text files, as all systems write them.

UTF-8 with or without a byte order mark. Lines end at LF or CR LF, or at CR in a file that has no
LF; nothing else ends a line.
"""

from collections.abc import Iterator

from data.errors import UserError

MARK = b"\xef\xbb\xbf"  # UTF-8's byte order mark
PIECE = 2**20  # bytes that are decoded at once
OTHER_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def lines_of(content: bytes, name: str) -> list[str]:
    """The lines of a text without their line ends; raises UserError as `each_line` does."""
    return list(each_line(content, name))


def each_line(content: bytes, name: str) -> Iterator[str]:
    """Yields the lines of a text without their line ends.

    Args:
      content: the text.
      name: the file's name, for errors.

    Raises:
      UserError: the text is not UTF-8; the message names the line and the byte.
    """
    content = without_mark(content, name)
    end = b"\n" if b"\n" in content else b"\r"
    start, number = 0, 1
    while start < len(content):
        stop = content.find(end, start + PIECE) + 1 or len(content)
        text = _decoded(content[start:stop], end, number, name)
        lines = text.split(end.decode())
        if not lines[-1]:
            del lines[-1]  # what follows the last line end is no line
        yield from (line.rstrip("\r") for line in lines) if "\r" in text else lines
        start, number = stop, number + len(lines)


def without_mark(content: bytes, name: str, advice: str = "convert it to UTF-8") -> bytes:
    """The bytes after a byte order mark of UTF-8.

    Raises:
      UserError: there is a mark of UTF-16 or UTF-32, or a zero byte, which no text contains; the
        sentence ends with `advice`.
    """
    for mark, encoding in OTHER_MARKS.items():
        if content.startswith(mark):
            raise UserError(f"{name} is {encoding} text; {advice}.")
    if (place := content.find(b"\0")) >= 0:
        raise UserError(f"{name} is not UTF-8 text (byte {place:,} is 0x00); {advice}.")
    return content.removeprefix(MARK)


def _decoded(lines: bytes, end: bytes, first: int, name: str) -> str:
    """Decodes lines of which `first` is the first one's number."""
    try:
        return lines.decode("utf-8")
    except UnicodeDecodeError as error:
        number = first + lines.count(end, 0, error.start)
        place = error.start - lines.rfind(end, 0, error.start)
        raise UserError(
            f"{name}, line {number:,} is not UTF-8 text (byte {place:,} of the line is "
            f"{lines[error.start]:#04x}); convert the file to UTF-8."
        ) from None
