"""Opinion expressions in news: the MPQA set as Irsoy and Cardie (2014) prepared it.

Words with B, I or O: of direct subjective expressions (DSE: "criticised", "to be debated") or of
expressive subjective ones (ESE: "to put it mildly"). 535 documents: 135 to choose by, the other
400 in ten folds of 40 to be tested on, each with the other 360 to train on. The archive is read
in memory; nothing of it is unpacked into a folder.
"""

import io
import os
import tarfile
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.files import unzipped
from data.raw import RawFile, raw_file
from data.sentences import Corpus, Sentences
from data.tagged_files import parsed, text_lines

ARCHIVE = RawFile(
    "mpqa_opinion",
    "mpqa-opexps.tar.gz",
    ("http://www.cs.cornell.edu/~oirsoy/files/mpqa-drnt/mpqa-opexps.tar.gz",),
    1_968_079,
    "7616544220c267cacc4d12d2e08a83ce7254b6d4fab6469623c02aced62976ba",
)
FOLDS = 10
LARGEST_MEMBER = 2**26  # bytes; the archive's own are 4 MB


def members(content: bytes, name: str) -> dict[str, bytes]:
    """The files of a gzipped tar archive, by path; links, devices and giants are refused."""
    found, content = {}, unzipped(content, name)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                path = os.path.normpath(member.name)
                outside = path.startswith(("/", "..")) or not member.isfile()
                if outside or member.size > LARGEST_MEMBER:
                    raise UserError(f"{name}: {member.name!r} is not a plain file inside it.")
                found[path] = archive.extractfile(member).read()
    except UserError:
        raise
    except Exception as error:  # of many kinds, by tarfile's parser
        raise UserError(f"{name} is not a sound archive ({error}): fetch it anew.") from None
    return found


def corpus(files: dict[str, bytes], kind: str, name: str = ARCHIVE.name) -> Corpus:
    """The sentences of the 400 documents, with the fold that tests on each, and the others.

    Args:
      files: from `members`.
      kind: `dse` or `ese`.
      name: of the archive, for errors.

    Raises:
      UserError: a file is missing, or they do not fit together.
    """

    def text(member: str) -> bytes:
        if member not in files:
            raise UserError(f"{name} holds no {member}: fetch it anew.")
        return files[member]

    def documents(member: str) -> set[str]:
        return {line.strip() for _, line in text_lines(text(member), member) if line.strip()}

    sentences = parsed(text(f"{kind}.txt"), f"{kind}.txt", "columns", 1, 3)
    of = [document_of(line, n) for n, line in text_lines(text("sentenceid.txt"), "sentenceid.txt")
          if line.strip()]  # fmt: skip
    if len(of) != len(sentences.words):
        raise UserError(
            f"{name}: {kind}.txt has {len(sentences.words)} sentences and sentenceid.txt {len(of)}."
        )
    tests = [documents(f"datasplit/filelist_test{fold}") for fold in range(FOLDS)]
    trained = documents("datasplit/filelist_train0")
    chosen_by = documents("datasplit/doclist.mpqaOriginalSubset") - trained - tests[0]
    fold_of = {document: fold for fold, test in enumerate(tests) for document in test}

    def those(rows: list[int]) -> Sentences:
        return Sentences(*([part[row] for row in rows] for part in sentences[:2]))

    rows = [row for row, document in enumerate(of) if document in fold_of]
    pool = those(rows)
    valid = those([row for row, document in enumerate(of) if document in chosen_by])
    return Corpus(pool, valid, pool, folds=np.array([fold_of[of[row]] for row in rows]))


def document_of(line: str, number: int) -> str:
    """The third column of a line of sentenceid.txt; raises UserError where there is none."""
    cells = line.split()
    if len(cells) < 3:
        raise UserError(f"sentenceid.txt, line {number} names no document: fetch it anew.")
    return cells[2]


def load(kind: str, raw_dir: str | None, download_dir: str | Path) -> Corpus:
    """The archive's sentences with the labels of `dse` or `ese`; errors as `data.raw`'s."""
    path = raw_file(ARCHIVE, raw_dir, download_dir)
    return corpus(members(path.read_bytes(), str(path)), kind)
