"""Opinion expressions in news: the MPQA corpus as prepared by Irsoy and Cardie (2014).

Words labelled B, I or O for direct subjective expressions (DSE: "criticised", "to be debated") or
expressive subjective expressions (ESE: "to put it mildly"). Of 535 documents, 135 are the
development set; the other 400 form ten folds: each tests on 40 and trains on the other 360. The
archive is read in memory and never unpacked into a folder.
"""

import io
import os
import tarfile
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.files import gunzipped
from data.lines import lines_of
from data.raw import RawFile, raw_file
from data.sentences import Corpus, Sentences
from data.tagged_files import parsed

ARCHIVE = RawFile(
    "mpqa_opinion",
    "mpqa-opexps.tar.gz",
    ("http://www.cs.cornell.edu/~oirsoy/files/mpqa-drnt/mpqa-opexps.tar.gz",),
    1_968_079,
    "7616544220c267cacc4d12d2e08a83ce7254b6d4fab6469623c02aced62976ba",
)
FOLDS = 10
LARGEST_MEMBER = 2**26  # bytes; those of the published archive have up to 4 MB


def members(content: bytes, name: str) -> dict[str, bytes]:
    """The files of a gzipped tar archive by path; links, devices and huge files are refused."""
    found, content = {}, gunzipped(content, name)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                path = os.path.normpath(member.name)
                outside = path.startswith(("/", "..")) or not member.isfile()
                if outside or member.size > LARGEST_MEMBER:
                    raise UserError(
                        f"{name} holds {member.name!r}, which is not a regular file inside the "
                        "archive; get the archive again."
                    )
                found[path] = archive.extractfile(member).read()
    except UserError:
        raise
    except Exception as error:  # tarfile's parser raises many kinds
        raise UserError(f"{name} is a damaged archive ({error}); get it again.") from None
    return found


def corpus(files: dict[str, bytes], kind: str, name: str = ARCHIVE.name) -> Corpus:
    """The sentences of the 400 documents, each with its fold, and the development sentences.

    Args:
      files: from `members`.
      kind: `dse` or `ese`.
      name: the archive's name, for errors.

    Raises:
      UserError: a file is missing, or the files do not fit together.
    """

    def text(member: str) -> bytes:
        if member not in files:
            raise UserError(f"{name} does not contain {member}; get it again.")
        return files[member]

    def documents(member: str) -> set[str]:
        return {line.strip() for line in lines_of(text(member), member) if line.strip()}

    sentences = parsed(text(f"{kind}.txt"), f"{kind}.txt", "columns", 1, 3)
    sentence_documents = [
        document_of(line, n)
        for n, line in enumerate(lines_of(text("sentenceid.txt"), "sentenceid.txt"), 1)
        if line.strip()
    ]
    if len(sentence_documents) != len(sentences.words):
        raise UserError(
            f"{name}: {kind}.txt has {len(sentences.words)} sentences but sentenceid.txt has "
            f"{len(sentence_documents)}; get it again."
        )
    tests = [documents(f"datasplit/filelist_test{fold}") for fold in range(FOLDS)]
    trained = documents("datasplit/filelist_train0")
    development = documents("datasplit/doclist.mpqaOriginalSubset") - trained - tests[0]
    fold_of = {document: fold for fold, test in enumerate(tests) for document in test}

    def subset(rows: list[int]) -> Sentences:
        return Sentences(*([part[row] for row in rows] for part in sentences[:2]))

    rows = [row for row, document in enumerate(sentence_documents) if document in fold_of]
    pool = subset(rows)
    valid = subset([n for n, document in enumerate(sentence_documents) if document in development])
    folds = np.array([fold_of[sentence_documents[row]] for row in rows])
    return Corpus(pool, valid, pool, folds=folds)


def document_of(line: str, number: int) -> str:
    """The third column of a line of sentenceid.txt; raises UserError if there is none."""
    cells = line.split()
    if len(cells) < 3:
        raise UserError(f"sentenceid.txt, line {number} names no document; get the archive again.")
    return cells[2]


def load(kind: str, raw_dir: str | None, download_dir: str | Path) -> Corpus:
    """The archive's sentences, labelled for `dse` or `ese`; raises UserError as `raw_file` does."""
    path = raw_file(ARCHIVE, raw_dir, download_dir)
    return corpus(members(path.read_bytes(), str(path)), kind)
