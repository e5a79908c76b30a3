"""The published files of all data sets, and which of them are in a folder."""

from pathlib import Path
from typing import NamedTuple

from data import (
    cifar10,
    corpora,
    mnist,
    mpqa,
    natural_images,
    parallel_text,
    sst,
    tagged_corpora,
    vector_texts,
    word_corpora,
    word_similarity,
)
from data.raw import RawFile, fault

DATASETS: dict[str, tuple[RawFile, ...]] = {
    "mnist": tuple(file for pair in mnist.FILES.values() for file in pair),
    **{name: (file,) for name, file in corpora.FILES.items()},
    "penn_treebank": corpora.PENN_TREEBANK,
    "wikitext2": word_corpora.WIKITEXT2,
    "multi30k": tuple(parallel_text.FILES.values()),
    "mpqa_opinion": (mpqa.ARCHIVE,),
    "sst": tuple(sst.FILES.values()),
    **tagged_corpora.FILES,
    "text8": (vector_texts.TEXT8,),
    "word2vec_eval": word_similarity.FILES,
    "olshausen_images": (natural_images.OLSHAUSEN,),
    "cifar10_subset": tuple(file for pair in cifar10.FILES.values() for file in pair),
}

# These were packed anew, so that no address has the files: `raw.given_file` reads them.
GIVEN = {"olshausen_images", "cifar10_subset"}


class Holding(NamedTuple):
    """Which files of a data set a folder holds."""

    sound: int  # files with the right SHA-256
    faults: list[str]  # one phrase for each file present that is not the published one
    files: int  # how many files the data set consists of


def holdings(folder: Path) -> dict[str, Holding]:
    """What `folder`/<dataset>/<file> holds, for each data set of which it has any file."""
    found = {}
    for name, files in DATASETS.items():
        paths = {file: folder / file.dataset / file.name for file in files}
        present = {file: path for file, path in paths.items() if path.exists()}
        if present:
            problems = {path: fault(file, path) for file, path in present.items()}
            wrong = [f"{path} {problem}" for path, problem in problems.items() if problem]
            found[name] = Holding(len(present) - len(wrong), wrong, len(files))
    return found
