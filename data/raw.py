"""Raw files as published: taken from the user's folder or downloaded, and always verified."""

import hashlib
import http.client
import logging
import os
import tempfile
import urllib.request
from pathlib import Path
from typing import NamedTuple

from data.errors import UserError
from data.files import user_path

TIMEOUT = 60.0  # seconds without a byte after which an address is given up
BLOCK = 2**20


class RawFile(NamedTuple):
    """A published file: where it is kept, where it is published, its size and its SHA-256."""

    dataset: str  # subfolder of the folder of raw files
    name: str
    urls: tuple[str, ...]  # tried in this order
    size: int  # bytes
    sha256: str

    @property
    def description(self) -> str:
        """The file with its addresses and SHA-256, as quoted in error messages."""
        return f"{self.name} from {' or '.join(self.urls)} (SHA-256 {self.sha256})"


def chosen_raw_dir(raw_dir: str | Path | None) -> Path | None:
    """The folder of raw files: the one given, or else the environment variable UNFOLD_RAW_DIR."""
    chosen = raw_dir or os.environ.get("UNFOLD_RAW_DIR")
    return user_path(chosen) if chosen else None


def download_folder(data_dir: str) -> Path:
    """The folder for downloads, inside `data_dir` or the folder where TFDS keeps its data."""
    root = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return user_path(root) / "downloads"


def raw_file(file: RawFile, raw_dir: str | Path | None, download_dir: str | Path) -> Path:
    """Finds or downloads a raw file; the file at the path returned has the right SHA-256.

    Args:
      file: the file to find.
      raw_dir: folder laid out as `<raw_dir>/<dataset>/<file>`. If it or UNFOLD_RAW_DIR is given,
        nothing is downloaded.
      download_dir: where downloads are kept, in the same layout.

    Raises:
      UserError: the file is missing from the raw folder, is cut short or a different file, or
        cannot be downloaded from any address.
    """
    chosen = chosen_raw_dir(raw_dir)
    if chosen is None:
        return _downloaded(file, user_path(download_dir) / file.dataset / file.name)
    path = chosen / file.dataset / file.name
    if not path.exists():
        raise UserError(f"{path} is missing; put {file.description} there.")
    if found := fault(file, path):
        raise UserError(f"{path} {found}; replace it with {file.description}.")
    return path


def fault(file: RawFile, path: Path) -> str | None:
    """What is wrong with the file at `path`, phrased to follow its name; None if nothing is."""
    try:
        size = path.stat().st_size
        if size < file.size:
            return f"is cut short ({size:,} of {file.size:,} bytes)"
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if found == file.sha256 else f"is a different file (its SHA-256 is {found})"


def _downloaded(file: RawFile, path: Path) -> Path:
    """Downloads to a temporary name and renames, so that `path` is never an incomplete file."""
    if path.exists() and not fault(file, path):
        return path
    reasons = []
    for url in file.urls:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="incomplete.", dir=path.parent) as folder:
                partial = Path(folder) / file.name
                logging.getLogger(__name__).info("Downloading %s", url)
                _fetch(url, partial, file.size)
                found = fault(file, partial)
                if not found:
                    return partial.replace(path)
                reasons.append(f"the file at {url} {found}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
    raise UserError(
        f"{file.name} cannot be downloaded ({'; '.join(reasons)}); put {file.description} "
        f"into <raw_dir>/{file.dataset}/ and pass --raw_dir=<raw_dir>, or put it at {path}."
    )


def _fetch(url: str, path: Path, size: int) -> None:
    """Copies at most `size` + 1 bytes from an address into a file."""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response, path.open("wb") as out:
        left = size + 1
        while left and (block := response.read(min(BLOCK, left))):
            out.write(block)
            left -= len(block)
