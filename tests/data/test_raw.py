"""Raw files are the published ones, or an error says which file to put where.

Downloads from a local server, of plain files and of all kinds of archives (`data/archives.py`).
"""

import gzip
import hashlib
import io
import tarfile
import urllib.parse
import zipfile

import pytest

from data import published, raw
from data.errors import UserError

CONTENT = b"the published bytes"
FILE = raw.RawFile("letters", "a.bin", (), len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(files, mode="w:gz"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def packed(kind, content, name="a.bin"):
    """(an archive of that kind with the file in it, the archive's name)."""
    files = {"letters/README": b"read me", f"letters/{name}": content}
    if kind == "gz":
        return gzip.compress(content), f"{name}.gz"
    return (zipped(files), "letters.zip") if kind == "zip" else (tarred(files), "letters.tar.gz")


def put(folder, content, name="a.bin"):
    path = folder / "letters" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def at(site, *paths, archive=""):
    """The file, published at these paths of the local server."""
    return FILE._replace(urls=tuple(site.address + path for path in paths), archive=archive)


def test_takes_the_file_from_the_raw_folder(tmp_path, monkeypatch, site):
    path, file = put(tmp_path, CONTENT), at(site, "/a.bin")
    assert raw.raw_file(file, tmp_path, tmp_path / "down") == path
    monkeypatch.setenv("UNFOLD_RAW_DIR", str(tmp_path))
    assert raw.raw_file(file, None, tmp_path / "down") == path
    assert not (tmp_path / "down").exists() and not site.requested


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is missing; put a.bin .19 bytes, SHA-256 .* from http://127.0.0.1:.*/a.bin or"),
        (CONTENT[:-1], "is cut short .18 of 19 bytes."),
        (b"", "is cut short"),
        (CONTENT.upper(), "is a different file"),
        (CONTENT + b"!", "is a different file"),
    ],
)
def test_wrong_raw_files_are_never_replaced_by_downloads(tmp_path, site, content, words):
    site.files["/a.bin"] = CONTENT
    if content is not None:
        put(tmp_path, content)
    with pytest.raises(UserError, match=words) as caught:
        raw.raw_file(at(site, "/a.bin", "/b.bin"), tmp_path, tmp_path / "down")
    assert FILE.sha256 in str(caught.value) and str(tmp_path / "letters" / "a.bin") in str(
        caught.value
    )
    assert not site.requested


def test_downloads_once(tmp_path, site):
    site.files["/a.bin"], file = CONTENT, at(site, "/a.bin")
    path = raw.raw_file(file, None, tmp_path)
    assert path.read_bytes() == CONTENT and path == raw.raw_file(file, None, tmp_path)
    assert site.requested == ["/a.bin"] and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("first", [None, CONTENT[:5], b"<html>please log in</html>"])
def test_falls_back_to_the_second_address(tmp_path, site, first):
    site.files = {"/one": first, "/two": CONTENT}
    assert raw.raw_file(at(site, "/one", "/two"), None, tmp_path).read_bytes() == CONTENT
    assert site.requested == ["/one", "/two"]


def test_a_damaged_download_is_replaced(tmp_path, site):
    site.files["/a.bin"] = CONTENT
    path = put(tmp_path, CONTENT[:3])
    assert raw.raw_file(at(site, "/a.bin"), None, tmp_path) == path
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("archive", ["", "gz"])
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
def test_a_file_that_a_server_calls_an_encoding_stays_as_published(
    archive, encoding, tmp_path, site
):
    content = gzip.compress(CONTENT, mtime=0)
    site.files["/a.gz"], site.headers["/a.gz"] = content, {"Content-Encoding": encoding}
    file = at(site, "/a.gz", archive=archive)
    if not archive:
        sha256 = hashlib.sha256(content).hexdigest()
        file = file._replace(name="a.gz", size=len(content), sha256=sha256)
    found = raw.raw_file(file, None, tmp_path).read_bytes()
    assert found == (CONTENT if archive else content)


@pytest.mark.parametrize("kind", ["gz", "zip", "tar"])
def test_the_file_is_taken_out_of_an_archive(kind, tmp_path, site):
    content, name = packed(kind, CONTENT)
    site.files[f"/{name}"], file = content, at(site, f"/{name}", archive=kind)
    path = raw.raw_file(file, None, tmp_path)
    assert path == tmp_path / "letters" / "a.bin" and path.read_bytes() == CONTENT
    path.unlink()
    assert raw.raw_file(file, None, tmp_path).read_bytes() == CONTENT  # out of the same archive
    assert site.requested == [f"/{name}"]
    assert {p.name for p in path.parent.iterdir()} == {"a.bin", name}


@pytest.mark.parametrize("mode", ["w", "w:xz", "w:bz2"])
def test_tar_archives_may_be_compressed_in_any_way(mode, tmp_path, site):
    site.files["/a.tar"] = tarred({"a.bin": CONTENT}, mode)
    assert raw.raw_file(at(site, "/a.tar", archive="tar"), None, tmp_path).read_bytes() == CONTENT


def broken(kind):
    """Archives that do not contain the published file, and what is said of them."""
    whole, _ = packed(kind, CONTENT)
    found = {
        "cut": (whole[: len(whole) // 2], f"is a damaged {kind} archive"),
        "empty": (b"", "damaged|cut short"),
        "another format": (b"<html>please log in</html>", f"is a damaged {kind} archive"),
        "another file": (packed(kind, CONTENT.upper())[0], "a.bin in it is a different file"),
        "a cut file": (packed(kind, CONTENT[:5])[0], "a.bin in it is cut short .5 of 19 bytes."),
        "a bomb": (packed(kind, bytes(10**7))[0], "a.bin in it is a different file"),
    }
    if kind == "gz":
        return found
    pack = zipped if kind == "zip" else tarred
    return found | {
        "no such file": (packed(kind, CONTENT, "b.bin")[0], "contains no a.bin"),
        "two of them": (pack({"one/a.bin": CONTENT, "two/a.bin": CONTENT}), "contains 2 a.bin"),
        "a folder of that name": (pack({"a.bin/other": CONTENT}), "contains no a.bin"),
    }


@pytest.mark.parametrize(
    ("kind", "fault"), [(kind, fault) for kind in ("gz", "zip", "tar") for fault in broken(kind)]
)
def test_broken_archives_leave_nothing(kind, fault, tmp_path, site):
    content, words = broken(kind)[fault]
    site.files["/archive"] = content
    with pytest.raises(UserError, match=words) as caught:
        raw.raw_file(at(site, "/archive", archive=kind), None, tmp_path)
    for words in (f"{site.address}/archive", FILE.sha256, "19 bytes", "<raw_dir>/letters/",
                  "out of the archive"):  # fmt: skip
        assert words in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_links_in_archives_are_not_followed(tmp_path, site):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        entry = tarfile.TarInfo("a.bin")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    site.files["/archive"] = stream.getvalue()
    with pytest.raises(UserError, match="contains no a.bin"):
        raw.raw_file(at(site, "/archive", archive="tar"), None, tmp_path)


@pytest.mark.parametrize("content", [None, CONTENT[:5], CONTENT * 1000])
def test_a_failed_download_leaves_nothing_and_gives_all_reasons(tmp_path, site, content):
    site.files = {"/one": content, "/two": content}
    file = at(site, "/one", "/two")
    with pytest.raises(UserError, match="cannot be downloaded") as caught:
        raw.raw_file(file, None, tmp_path)
    reason = "404 Not Found" if content is None else "it is not the published file"
    for words in (*file.urls, reason, FILE.sha256, "<raw_dir>/letters/", "--raw_dir"):
        assert words in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_connection_that_breaks_off_or_is_refused_leaves_nothing(tmp_path, site):
    site.files["/a.bin"], site.headers["/a.bin"] = CONTENT[:5], {"Content-Length": "19"}
    with pytest.raises(UserError, match="5 bytes read, 14 more expected"):
        raw.raw_file(at(site, "/a.bin"), None, tmp_path)
    file = at(site, "/a.bin")
    site.close()
    with pytest.raises(UserError, match="no connection"):
        raw.raw_file(file, None, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_interrupted_download_leaves_nothing(tmp_path, site, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    site.files["/a.bin"] = CONTENT
    monkeypatch.setattr("requests.Response.iter_content", interrupted)
    with pytest.raises(KeyboardInterrupt):
        raw.raw_file(at(site, "/a.bin"), None, tmp_path)
    assert list((tmp_path / "letters").iterdir()) == []


def as_published(name, raw_dir):
    """What is published at each address of a data set: {path of the address: bytes}."""
    found = {}
    for file in published.DATASETS[name]:
        content = (raw_dir / file.dataset / file.name).read_bytes()
        for url in file.urls:
            path = urllib.parse.urlsplit(url).path
            found.setdefault(path, {})[f"trees/{file.name}"] = content
    pack = {"": lambda files: files.popitem()[1], "zip": zipped,
            "gz": lambda files: gzip.compress(files.popitem()[1], 1)}  # fmt: skip
    return {path: pack[published.DATASETS[name][0].archive](files) for path, files in found.items()}


@pytest.mark.parametrize("name", sorted(published.GIVEN))
def test_what_was_packed_anew_is_never_downloaded(name, tmp_path, monkeypatch):
    monkeypatch.delenv("UNFOLD_RAW_DIR", raising=False)
    for file in published.DATASETS[name]:
        with pytest.raises(UserError, match=f"{name} is not downloaded: pass --raw_dir"):
            raw.given_file(file, None)


@pytest.mark.parametrize("name", sorted({*published.DATASETS} - published.GIVEN))
def test_every_data_set_can_be_downloaded_as_it_is_published(name, raw_dir, tmp_path, site):
    site.files = as_published(name, raw_dir)
    for file in published.DATASETS[name]:
        for url in file.urls:
            parts = urllib.parse.urlsplit(url)
            assert parts.scheme in ("http", "https") and parts.netloc and " " not in url
            local = file._replace(urls=(site.address + parts.path,))
            raw.raw_file(local, None, tmp_path).unlink()
