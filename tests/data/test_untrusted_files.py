"""Whatever a file contains, its reader ends soon, in little memory, with data or a UserError.

Tests `data/files.py` and `data/errors.py` through all readers.
"""

import gzip
import io
import os
import random
import struct
import tarfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data import (
    corpora,
    idx,
    image_folder,
    mpqa,
    parallel_text,
    pictures,
    sentences,
    sst,
    tagged_corpora,
    tagged_files,
    text,
    word_corpora,
    word_vectors,
)
from data.errors import UserError
from data.files import expansion_limit, gunzipped, read_plain


def picture(kind):
    file = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(file, kind)
    return file.getvalue()


def tar(*members):
    """A gzipped tar archive of members (name, type, content)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def as_corpus(path):
    """Reads and encodes a corpus as the tagger does."""
    corpus = tagged_corpora.load(str(path))
    sentences.check(corpus, str(path))
    coding = sentences.coding_of(corpus, lowercase=True, least=1, longest=4)
    return sentences.coded(corpus.test, coding)


def as_pairs(path):
    return parallel_text.load(f"{path},{path}", valid_percent=20, test_percent=20)


def as_text(unit):
    return lambda path: corpora.load(str(path), unit=unit, valid_percent=10, test_percent=10)


IMAGES = bytes([0, 0, 8, 3]) + struct.pack(">3I", 3, 4, 5) + bytes(range(60))
LABELS = bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + bytes([7, 0, 255])
COLUMNS = b"-DOCSTART- -X- O\n\nThe DET B-NP\ndog NOUN I-NP\n\nbarks VERB O\n\n" * 8
CONLLU = b"# text = no\n1-2\tno\n" + b"1\tno\tno\tDET\n2\tway\tway\tNOUN\n\n" * 8
SLASHES = "the/DET Stra\u00dfe/NOUN 1/2/NUM\n".encode() * 8
LINES = "eins zwei\nStra\u00dfe \u96ea\n\nx\n".encode() * 8
VECTORS = b"3 2\nred 1 0\ngreen -1e-3 .5\nblue 2 7\n"
BINARY = b"2 3\nred " + struct.pack("<3f", 1, 0, 2) + b"\nblue " + struct.pack("<3f", 2, 0, 7)
TREES = b"(3 (2 so) (4 (2 very) (3 good)))\n" * 3
TAR = tar(("a/b.txt", tarfile.REGTYPE, b"text" * 30), ("dse.txt", tarfile.REGTYPE, COLUMNS),
          ("sentenceid.txt", tarfile.REGTYPE, b"0 0 d\n"))  # fmt: skip
READERS = {  # a sound file, and the function that reads it
    "images": (IMAGES, idx.read_images),
    "images.gz": (gzip.compress(IMAGES, mtime=0), idx.read_images),
    "labels": (LABELS, idx.read_labels),
    "columns": (COLUMNS, lambda path: tagged_files.read_tagged(path, "columns")),
    "conllu": (CONLLU, lambda path: tagged_files.read_tagged(path, "conllu")),
    "slashes": (SLASHES, tagged_files.read_tagged),
    "corpus.txt": (COLUMNS, as_corpus),
    "vectors": (VECTORS, word_vectors.read_vectors),
    "vectors.gz": (gzip.compress(VECTORS, mtime=0), word_vectors.read_vectors),
    "vectors.bin": (BINARY, word_vectors.read_vectors),
    "lines.txt": (LINES, as_pairs),
    "lines.gz": (gzip.compress(LINES, mtime=0), as_pairs),
    "characters.txt": (LINES, as_text("characters")),
    "bytes.txt": (LINES, as_text("bytes")),
    "words.txt": (LINES, lambda path: word_corpora.load(
        str(path), tokens="marks", vocabulary=0, valid_percent=10, test_percent=10)),
    "trees": (TREES, lambda path: sst.trees(path.read_bytes(), str(path))),
    "archive": (TAR, lambda path: mpqa.corpus(mpqa.members(path.read_bytes(), str(path)), "dse")),
    **{f"picture.{kind}": (picture(kind), lambda path: pictures.read([path]))
       for kind in ("png", "bmp", "gif", "tiff", "ppm", "webp", "jpeg")},
}  # fmt: skip


@st.composite
def damaged(draw, sound: bytes) -> bytes:
    """Bytes overwritten, inserted, removed, repeated or cut off; or something else altogether."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    content = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        to = min(len(content), at + draw(st.integers(0, 20)))
        piece = draw(st.one_of(st.binary(max_size=8), st.just(content[at:to] * 3)))
        content[at:to] = piece
    return bytes(content)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", READERS)
@settings(max_examples=100, deadline=5000, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(data=st.data())
def test_damaged_files_give_data_or_a_user_error(tmp_path, name, data):
    sound, read = READERS[name]
    path = tmp_path / name
    path.write_bytes(data.draw(damaged(sound)))
    try:
        read(path)
    except UserError as error:
        assert str(error)


@pytest.mark.parametrize("name", READERS)
def test_sound_files_are_read(tmp_path, name):
    sound, read = READERS[name]
    (tmp_path / name).write_bytes(sound)
    if name != "archive":
        read(tmp_path / name)
    else:
        assert set(mpqa.members(sound, name)) == {"a/b.txt", "dse.txt", "sentenceid.txt"}


def peak_of(read, *arguments) -> tuple[str, int]:
    """The message of a reader's UserError, and the peak of its memory in bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as caught:
            read(*arguments)
        return str(caught.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def zipped_zeros(count):
    """Gzip data that expands to `count` zero bytes."""
    block = gzip.compress(bytes(2**24), mtime=0)
    return block * (count // 2**24)


CLAIMS = {
    "2^31 images": (IMAGES[:4] + struct.pack(">3I", 2**31, 28, 28), idx.read_images),
    "2^30 labels": (LABELS[:4] + struct.pack(">I", 2**30) + bytes(99), idx.read_labels),
    "a large image": (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 10**6, 10**6,
                      8, 0, 0, 0, 0) + bytes(4), lambda path: pictures.read([path])),
    "many vectors": (b"1000000000 1000000\nred 1 2 3\n", word_vectors.read_vectors),
    "fewer vectors": (b"1 3\nred 1 2 3\nblue 1 2 3\n", word_vectors.read_vectors),
    "digits without end": (b"9" * 5000 + b" 3\nred 1 2 3\n", word_vectors.read_vectors),
}  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS)
def test_no_memory_is_allocated_for_what_a_header_claims(tmp_path, claim):
    content, read = CLAIMS[claim]
    (tmp_path / "file").write_bytes(content)
    sentence, peak = peak_of(read, tmp_path / "file")
    assert peak < 2**22 and str(tmp_path) in sentence


def test_decompression_bombs_are_not_decoded_as_pictures(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(path)
    assert path.stat().st_size < 2**17
    sentence, peak = peak_of(pictures.read, [path])
    assert "has more than 50,000,000 pixels" in sentence and peak < 2**22


def test_the_content_and_not_the_extension_decides_what_a_picture_is(tmp_path):
    path = tmp_path / "program.png"  # PostScript is a program, which Pillow would run
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(x) print quit\n%%EOF\n")
    with pytest.raises(UserError, match="cannot be read as a picture"):
        pictures.read([path])


def test_gzip_bombs_are_refused(tmp_path):
    bomb = zipped_zeros(2**28)
    assert expansion_limit(len(bomb)) < 2**27
    sentence, peak = peak_of(gunzipped, bomb, "bomb.gz")
    assert "expands to more than" in sentence and peak < 2**28
    (tmp_path / "bomb.gz").write_bytes(bomb)
    for read in (lambda path: parallel_text.load(f"{path},{path}"),
                 lambda path: mpqa.members(path.read_bytes(), str(path))):  # fmt: skip
        with pytest.raises(UserError, match="expands to more than"):
            read(tmp_path / "bomb.gz")
    content = LINES * 30_000  # repetitive text is read
    assert gunzipped(gzip.compress(content), "repetitive.gz") == content


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../out.txt", tarfile.REGTYPE), ("/etc/out.txt", tarfile.REGTYPE),
        ("a/../../out.txt", tarfile.REGTYPE), ("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE), ("disk", tarfile.BLKTYPE), ("pipe", tarfile.FIFOTYPE),
    ],
)  # fmt: skip
def test_archives_may_hold_regular_files_only(name, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = b"x" if kind == tarfile.REGTYPE else b""
    with pytest.raises(UserError, match="not a regular file inside"):
        mpqa.members(tar(("fine.txt", tarfile.REGTYPE, b"x"), (name, kind, content)), "a.tar.gz")
    assert not list(tmp_path.iterdir())  # nothing is ever unpacked into a folder


READ_BY_PATH = {
    "text": lambda path: text.read_file(path, "bytes"),
    "columns": tagged_files.read_tagged,
    "vectors": word_vectors.read_vectors,
    "images": idx.read_images,
    "lines": lambda path: parallel_text.load(f"{path},{path}"),
    "corpus": lambda path: tagged_corpora.load(str(path)),
    "image folder": image_folder.load,
}


@pytest.mark.parametrize("reader", READ_BY_PATH)
def test_pipes_and_devices_do_not_block(reader, tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    for path in (tmp_path / "pipe.txt", "/dev/zero", tmp_path / ("n" * 300 + ".txt"), "./a\0.txt"):
        with pytest.raises(UserError):
            READ_BY_PATH[reader](path)


def test_unknown_home_folder(monkeypatch):
    for read in (lambda path: read_plain(path, "x"), image_folder.load,
                 lambda path: tagged_corpora.load(path)):  # fmt: skip
        with pytest.raises(UserError, match="no such home folder"):
            read("~nobody-of-this-name/x.txt")


def test_bigrams_of_a_large_alphabet_need_little_memory():
    from data import ngrams

    symbols = [chr(n) for n in range(0x4E00, 0x4E00 + 20_000)]
    random.Random(0).shuffle(symbols)
    whole = text.coded(text.three_parts("".join(symbols * 2), 10, 10), "many")
    tracemalloc.start()
    assert 0 < ngrams.bigram_nats(whole) < np.log(20_001)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24
