"""IDX files are read as written; anything else gives one plain sentence."""

import gzip
import struct

import numpy as np
import pytest

from data import idx
from data.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 4, 5)).astype(np.uint8)


def header(*sizes, kind=8):
    return struct.pack(f">HBB{len(sizes)}I", 0, kind, len(sizes), *sizes)


IMAGES = header(3, 4, 5) + PIXELS.tobytes()
LABELS = header(3) + bytes([7, 0, 255])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reads_what_was_written(tmp_path, pack):
    (tmp_path / "images").write_bytes(pack(IMAGES))
    (tmp_path / "labels").write_bytes(pack(LABELS))
    np.testing.assert_array_equal(idx.read_images(tmp_path / "images"), PIXELS)
    labels = idx.read_labels(tmp_path / "labels")
    assert labels.dtype == np.int32 and labels.tolist() == [7, 0, 255]


FAULTS = {
    "empty": (b"", "is empty"),
    "empty within gzip": (gzip.compress(b""), "is empty"),
    "another format": (b"\x89PNG\r\n", "is not an IDX file"),
    "two bytes": (b"\0\0", "is not an IDX file"),
    "labels for images": (LABELS, "holds labels where images are expected; are the two"),
    "four dimensions": (header(1, 1, 1, 1) + b"1", "4-dimensional"),
    "floats": (header(1, 1, 1, kind=0x0D) + b"1234", "type 0x0d"),
    "half a header": (header(3, 4), "2-dimensional"),
    "cut header": (IMAGES[:9], "within its header"),
    "cut values": (IMAGES[:-1], "cut short"),
    "cut values within gzip": (gzip.compress(IMAGES[:-1]), "59 follow"),
    "cut gzip": (gzip.compress(IMAGES)[:-9], "gzip"),
    "gzip with a wrong sum": (gzip.compress(IMAGES)[:-8] + b"12345678", "gzip"),
    "damaged gzip": (gzip.compress(IMAGES)[:10] + b"\xff" * 60, "gzip"),
    "trailing bytes": (IMAGES + b"1", "goes on"),
    "trailing bytes within gzip": (gzip.compress(IMAGES + b"1"), "goes on"),
    "no pixels": (header(2**31, 0, 28), "no pixels"),
    "no pixels and overflow": (header(2**32 - 1, 0, 2**32 - 1), "no pixels"),
    "claims 2^31 images": (header(2**31, 28, 28) + b"1" * 99, "at most"),
    "claims more than it can hold": (header(10**6, 28, 28) + b"1" * 99, "cut short"),
    "claims overflow": (header(2**32 - 1, 2**32 - 1, 2**32 - 1), "at most"),
    "gzip that claims much": (gzip.compress(header(10**6, 28, 28)), "than the file can hold"),
    "gzip bomb": (gzip.compress(header(1, 1, 1) + bytes(10**7)), "goes on"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_files_are_named_with_their_fault(tmp_path, fault):
    content, words = FAULTS[fault]
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        idx.read_images(path)
    assert str(path) in str(caught.value)


def test_images_for_labels_missing_file_and_folder(tmp_path):
    (tmp_path / "images").write_bytes(IMAGES)
    with pytest.raises(UserError, match="holds images where labels are expected"):
        idx.read_labels(tmp_path / "images")
    with pytest.raises(UserError, match="No such file"):
        idx.read_labels(tmp_path / "none")
    with pytest.raises(UserError, match="cannot be read"):
        idx.read_labels(tmp_path)
