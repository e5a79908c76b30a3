"""Raw files are the published ones, or an error says which file to put where."""

import hashlib
import io
import urllib.error

import pytest

from data import raw
from data.errors import UserError

CONTENT = b"the published bytes"
SUM = hashlib.sha256(CONTENT).hexdigest()
FILE = raw.RawFile("letters", "a.gz", ("https://one/a.gz", "https://two/a.gz"), len(CONTENT), SUM)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No raw folder in the environment, and no address that answers."""
    monkeypatch.delenv("UNFOLD_RAW_DIR", raising=False)
    answer(monkeypatch, {})


def answer(monkeypatch, contents):
    """Makes addresses answer with the given contents; returns the list of requested addresses."""
    requested = []

    def urlopen(url, timeout):
        assert timeout > 0
        requested.append(url)
        if url not in contents:
            raise urllib.error.URLError("no route")
        return io.BytesIO(contents[url])

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return requested


def put(folder, content):
    path = folder / "letters" / "a.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_takes_the_file_from_the_raw_folder(tmp_path, monkeypatch):
    path = put(tmp_path, CONTENT)
    assert raw.raw_file(FILE, tmp_path, tmp_path / "down") == path
    monkeypatch.setenv("UNFOLD_RAW_DIR", str(tmp_path))
    assert raw.raw_file(FILE, None, tmp_path / "down") == path
    assert not (tmp_path / "down").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is missing; put a.gz from https://one/a.gz or https://two/a.gz"),
        (CONTENT[:-1], "is cut short .18 of 19 bytes."),
        (b"", "is cut short"),
        (CONTENT.upper(), "is a different file"),
        (CONTENT + b"!", "is a different file"),
    ],
)
def test_wrong_raw_files_are_never_replaced_by_downloads(tmp_path, monkeypatch, content, words):
    requested = answer(monkeypatch, {FILE.urls[0]: CONTENT})
    if content is not None:
        put(tmp_path, content)
    with pytest.raises(UserError, match=words) as caught:
        raw.raw_file(FILE, tmp_path, tmp_path / "down")
    assert SUM in str(caught.value) and str(tmp_path / "letters" / "a.gz") in str(caught.value)
    assert not requested


def test_downloads_once(tmp_path, monkeypatch):
    requested = answer(monkeypatch, {FILE.urls[0]: CONTENT})
    path = raw.raw_file(FILE, None, tmp_path)
    assert path.read_bytes() == CONTENT and path == raw.raw_file(FILE, None, tmp_path)
    assert requested == [FILE.urls[0]]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("first", [None, CONTENT[:5], b"<html>please log in</html>"])
def test_falls_back_to_the_second_address(tmp_path, monkeypatch, first):
    contents = {FILE.urls[1]: CONTENT} | ({FILE.urls[0]: first} if first else {})
    requested = answer(monkeypatch, contents)
    assert raw.raw_file(FILE, None, tmp_path).read_bytes() == CONTENT
    assert requested == list(FILE.urls)


def test_a_damaged_download_is_replaced(tmp_path, monkeypatch):
    answer(monkeypatch, {FILE.urls[0]: CONTENT})
    path = put(tmp_path, CONTENT[:3])
    assert raw.raw_file(FILE, None, tmp_path) == path and path.read_bytes() == CONTENT


@pytest.mark.parametrize("content", [None, CONTENT[:5], CONTENT * 1000])
def test_a_failed_download_leaves_nothing_and_gives_all_reasons(tmp_path, monkeypatch, content):
    answer(monkeypatch, {url: content for url in FILE.urls if content})
    with pytest.raises(UserError, match="cannot be downloaded") as caught:
        raw.raw_file(FILE, None, tmp_path)
    for words in (*FILE.urls, SUM, "<raw_dir>/letters/", "--raw_dir"):
        assert words in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_interrupted_download_leaves_nothing(tmp_path, monkeypatch):
    class Interrupted(io.BytesIO):
        def read(self, size=-1):
            raise KeyboardInterrupt

    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Interrupted())
    with pytest.raises(KeyboardInterrupt):
        raw.raw_file(FILE, None, tmp_path)
    assert list((tmp_path / "letters").iterdir()) == []
