"""CMU's face images: 20 people who look left, right, up or straight (Mitchell 1997, section 4.7).

The files are read from the raw folder and never downloaded, either as they lie in the published
archive, or these files packed with tar and xz:

    <raw_dir>/cmu_faces/faces/<person>/<person>_<pose>_<expression>_<eyes>_4.pgm
    <raw_dir>/cmu_faces/faces_4.tar.xz

They are 30 rows of 32 pixels; the archive has larger ones, too, which are not read, and 16 of its
640 images are marked as bad by their names. Either way the content is checked.
"""

import hashlib
import io
import lzma
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.errors import UserError
from data.raw import chosen_raw_dir

NAME = "cmu_faces"
ADDRESSES = (
    "http://www.cs.cmu.edu/afs/cs.cmu.edu/user/mitchell/ftp/faces.html",
    "https://archive.ics.uci.edu/static/public/124/cmu+face+images.zip",
)
COUNT, HEIGHT, WIDTH = 624, 30, 32
SHA256 = "c939455bf300debc2142084b61c9b6b4a0e69e3930184dba45a387040aa46bfb"  # see content_sum
LARGEST = 2**24  # bytes of the files of an archive, unpacked; they have 0.6 MB, and tar pads them
TARGETS = {  # what a net may be trained to say, and its place in a file's name; None: all names
    "pose": (1, ("left", "straight", "right", "up")),
    "person": (0, None),
    "expression": (2, ("neutral", "happy", "sad", "angry")),
    "sunglasses": (3, ("open", "sunglasses")),
}


class Faces(NamedTuple):
    """Grey images with what their names say."""

    images: np.ndarray  # uint8 [N, 30, 32]
    labels: np.ndarray  # int32 [N]
    people: np.ndarray  # str [N]
    classes: tuple[str, ...]


def load(target: str = "pose", raw_dir: str | Path | None = None) -> Faces:
    """The 624 images by name, labelled by one of TARGETS.

    Raises:
      UserError: there is no raw folder, or the files are missing, damaged or others.
    """
    folder = chosen_raw_dir(raw_dir)
    advice = (
        f"get the images from {' or '.join(ADDRESSES)}, unpack their folder faces into "
        f"<raw_dir>/{NAME}/ and pass --raw_dir=<raw_dir>"
    )
    if folder is None:
        raise UserError(f"{NAME} is not downloaded: {advice}.")
    files = _files(folder / NAME, advice)
    names = sorted(files)
    images = np.stack([_image(files[name], name) for name in names])
    if content_sum(names, images) != SHA256:
        raise UserError(f"{folder / NAME} holds others than the {COUNT} published; {advice}.")
    return labelled(names, images, target)


def labelled(names: list[str], images: np.ndarray, target: str) -> Faces:
    """Images [N, 30, 32] with the labels that their names give, such as `an2i_left_sad_open`."""
    place, classes = TARGETS[target]
    words = [name.split("_") for name in names]
    classes = classes or tuple(sorted({each[place] for each in words}))
    labels = np.array([classes.index(each[place]) for each in words], np.int32)
    return Faces(images, labels, np.array([each[0] for each in words]), classes)


def content_sum(names: list[str], images: np.ndarray) -> str:
    """The SHA-256 of the names, one a line, and the pixels."""
    return hashlib.sha256("\n".join(names).encode() + images.tobytes()).hexdigest()


def _files(folder: Path, advice: str) -> dict[str, bytes]:
    """The contents of the small images, by name without `_4.pgm`; raises UserError."""
    packed = folder / "faces_4.tar.xz"
    try:
        if packed.exists():
            return members(packed.read_bytes(), str(packed))
        paths = sorted((folder / "faces").glob("*/*_4.pgm"))
        if paths:
            return {_name(path.name): path.read_bytes() for path in paths}
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}).") from None
    raise UserError(f"{folder} has neither the folder faces nor {packed.name}; {advice}.")


def members(content: bytes, name: str) -> dict[str, bytes]:
    """The small images in a tar archive packed with xz; raises UserError if it is damaged."""
    try:
        unpacked = lzma.LZMADecompressor().decompress(content, LARGEST)
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
            return {
                _name(member.name): archive.extractfile(member).read()
                for member in archive
                if member.isfile() and member.name.endswith("_4.pgm")
            }
    except Exception as error:  # tarfile's parser raises many kinds
        raise UserError(f"{name} is a damaged archive ({error}); get it again.") from None


def _name(path: str) -> str:
    return path.rpartition("/")[2].removesuffix("_4.pgm")


def _image(content: bytes, name: str) -> np.ndarray:
    """A PGM file's pixels; raises UserError unless they are 30 rows of 32."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("PPM",)) as picture:
            if (picture.mode, picture.size) != ("L", (WIDTH, HEIGHT)):
                raise ValueError(f"it has {picture.width} x {picture.height} of {picture.mode}")
            return np.asarray(picture)
    except Exception as error:  # Pillow's decoders raise many kinds
        raise UserError(
            f"{name}_4.pgm is no grey image of {WIDTH} x {HEIGHT} pixels ({error}); get it again."
        ) from None
