"""The published files of all data sets, and which of them a folder holds."""

from pathlib import Path
from typing import NamedTuple

from data import corpora, mnist, mpqa, parallel_text, sst, tagged_corpora, word_corpora
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
}


class Holding(NamedTuple):
    """What a folder has of a data set."""

    sound: int  # files with the right sum
    faults: list[str]  # one sentence for each file that is there and is not the published one
    files: int  # that the data set has


def holdings(folder: Path) -> dict[str, Holding]:
    """What lies in `folder`/<dataset>/<file>, for the data sets of which anything does."""
    found = {}
    for name, files in DATASETS.items():
        there = {file: folder / file.dataset / file.name for file in files}
        there = {file: path for file, path in there.items() if path.exists()}
        faults = {path: fault(file, path) for file, path in there.items()}
        if there:
            wrong = [f"{path} {said}" for path, said in faults.items() if said]
            found[name] = Holding(len(there) - len(wrong), wrong, len(files))
    return found
