"""Raw files as published: taken from the user's folder or downloaded, and always verified."""

import hashlib
import os
import sys
from pathlib import Path
from typing import NamedTuple

from data.archives import member
from data.errors import UserError
from data.files import user_path

TIMEOUT = 60.0  # seconds without a byte after which an address is given up


class RawFile(NamedTuple):
    """A published file: where it is kept, where it is published, its size and its SHA-256."""

    dataset: str  # subfolder of the folder of raw files
    name: str
    urls: tuple[str, ...]  # tried in this order
    size: int  # bytes
    sha256: str
    archive: str = ""  # the kind of archive at the addresses that contains the file, if one does

    @property
    def description(self) -> str:
        """The file with its size, SHA-256 and addresses, as quoted in error messages."""
        source = "out of the archive" if self.archive else "from"
        return (
            f"{self.name} ({self.size:,} bytes, SHA-256 {self.sha256}) {source} "
            f"{' or '.join(self.urls)}"
        )


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


def given_file(file: RawFile, raw_dir: str | Path | None) -> Path:
    """`raw_file` for what was packed anew and so cannot be downloaded; raises UserError."""
    if chosen_raw_dir(raw_dir) is None:
        raise UserError(
            f"{file.dataset} is not downloaded: pass --raw_dir=<raw_dir> with {file.description} "
            f"in <raw_dir>/{file.dataset}/."
        )
    return raw_file(file, raw_dir, "")


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
        print(f"Downloading {url}", file=sys.stderr, flush=True)
        try:
            fetch = _from_archive if file.archive else _fetch
            fetch(file, url, path)
            return path
        except (OSError, ValueError) as error:
            reasons.append(f"{url}: {_reason(error)}")
    raise UserError(
        f"{file.name} cannot be downloaded ({'; '.join(reasons)}); put {file.description} "
        f"into <raw_dir>/{file.dataset}/ and pass --raw_dir=<raw_dir>, or put it at {path}."
    )


def _fetch(file: RawFile, url: str, path: Path) -> None:
    """Downloads a file that is published as it is; raises OSError or ValueError."""
    try:
        _retrieve(url, path, f"sha256:{file.sha256}")
    except ValueError:  # pooch's sentence has the sums, but names a temporary file
        raise ValueError("it is not the published file") from None


def _from_archive(file: RawFile, url: str, path: Path) -> None:
    """Downloads an archive, unless it is there already, and takes the file out of it.

    Raises:
      OSError: the archive cannot be downloaded, or the file cannot be written.
      ValueError: the archive does not contain the published file; it is deleted.
    """
    archive = path.with_name(url.rpartition("/")[2])
    _retrieve(url, archive)
    try:
        content = member(archive, file.archive, file.name, file.size)
        partial = archive.with_name(f"incomplete.{os.getpid()}.{file.name}")
        try:
            partial.write_bytes(content)
            if found := fault(file, partial):
                raise ValueError(f"{file.name} in it {found}")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except ValueError:
        archive.unlink(missing_ok=True)
        raise


def _retrieve(url: str, path: Path, known_hash: str | None = None) -> None:
    """Downloads a file, unless it is there with the right sum, in the bytes that are published."""
    import pooch  # takes a tenth of a second, and only downloads need it

    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(
        timeout=TIMEOUT, hooks={"response": _keep}, headers={"Accept-Encoding": "identity"}
    )
    pooch.retrieve(url, known_hash, path.name, path.parent, downloader=downloader)


def _keep(response, **_) -> None:
    """Has the bytes stay as they are: some servers call a .gz file an encoding of another file."""
    response.raw.headers.pop("Content-Encoding", None)


def _reason(error: Exception) -> str:
    """An exception's message without the internals of the libraries that add to it."""
    import requests

    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT:.0f} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return f"its certificate is not accepted ({error})"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}"
    return str(error)
