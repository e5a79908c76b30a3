"""One file out of a downloaded archive: gzip, zip or tar, plain or compressed.

The sums of archives are not published, those of the files in them are: an archive is not trusted.
No more of it is unpacked than the published size of the file, and only in memory.
"""

import gzip
import pathlib
import tarfile
import zipfile
from collections.abc import Iterable

KINDS = ("gz", "zip", "tar")


def member(archive: pathlib.Path, kind: str, name: str, size: int) -> bytes:
    """The first `size` + 1 bytes at most of a file in an archive.

    Args:
      archive: the archive's path.
      kind: one of KINDS; `gz` holds a single file, whatever it is called.
      name: the file's name, in whichever folder of the archive it lies.
      size: its published size in bytes.

    Raises:
      ValueError: the archive is damaged or does not contain the file.
    """
    try:
        if kind == "gz":
            with gzip.open(archive) as file:
                return file.read(size + 1)
        if kind == "zip":
            with zipfile.ZipFile(archive) as files:
                with files.open(_path_of(name, files.namelist())) as file:
                    return file.read(size + 1)
        with tarfile.open(archive) as files:
            regular = {entry.name: entry for entry in files if entry.isfile()}
            with files.extractfile(regular[_path_of(name, regular)]) as file:
                return file.read(size + 1)
    except ValueError:
        raise
    except Exception as error:  # each of the three modules raises many kinds
        reason = str(error).partition("\n")[0].rstrip(":")  # tarfile lists all that it tried
        raise ValueError(f"is a damaged {kind} archive ({reason})") from None


def _path_of(name: str, paths: Iterable[str]) -> str:
    found = [path for path in paths if pathlib.PurePosixPath(path).name == name]
    if len(found) != 1:
        raise ValueError(f"contains {len(found) or 'no'} {name}")
    return found[0]
