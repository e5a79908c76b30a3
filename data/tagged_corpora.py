"""Labelled words by name: generated, published files checked against their SHA-256, or your own.

grammar          generated from a seed (data/grammar.py)
mpqa-dse, -ese   opinion expressions in news (data/mpqa.py)
conll2000        noun, verb and other phrases in the Wall Street Journal: B-NP, I-NP, O
ud_english_ewt   parts of speech in weblogs, emails and reviews
sst2, sst5       the sentiment of sentences (data/sst.py)
"""

import os
import re
from pathlib import Path

from data import grammar, mpqa, sst
from data.errors import UserError
from data.files import user_path
from data.raw import RawFile, download_folder, raw_file
from data.sentences import Corpus, Sentences
from data.tagged_files import parsed, read_tagged

_CONLL = "https://www.clips.uantwerpen.be/conll2000/chunking/{}.txt.gz"
_EWT = (
    "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/"
    "15d613d8447b3478787d4c278730a1e48a945efb/en_ewt-ud-{}.conllu"
)


def _files(dataset: str, name: str, url: str, parts, archive: str = "") -> tuple[RawFile, ...]:
    return tuple(
        RawFile(dataset, name.format(part), (url.format(part),), size, sha256, archive)
        for part, size, sha256 in parts
    )


FILES = {
    "conll2000": _files("conll2000", "{}.txt", _CONLL, (
        ("train", 2_842_164, "82033cd7a72b209923a98007793e8f9de3abc1c8b79d646c50648eb949b87cea"),
        ("test", 639_396, "73b7b1e565fa75a1e22fe52ecdf41b6624d6f59dacb591d44252bf4d692b1628"),
    ), archive="gz"),
    "ud_english_ewt": _files("ud_english_ewt", "en_ewt-ud-{}.conllu", _EWT, (
        ("train", 14_203_025, "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b"),
        ("dev", 1_805_545, "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6"),
        ("test", 1_804_515, "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd"),
    )),
}  # fmt: skip
NAMES = ("grammar", "mpqa-dse", "mpqa-ese", "conll2000", "ud_english_ewt", "sst2", "sst5")
PARTS = {  # words in the names of files, such as train.txt, en-ud-dev.conllu, eng.testa
    "train": ("train", "training"),
    "valid": ("valid", "validation", "val", "dev", "devel", "development", "testa"),
    "test": ("test", "testb"),
}


def load(
    name: str,
    *,
    form: str = "auto",
    token: int = 0,
    label: int = 0,
    feature: int = 0,
    seed: int = 0,
    data_dir: str = "",
    raw_dir: str = "",
) -> Corpus:
    """Loads a corpus by name, or the user's own file or folder of files by its path.

    A single file is split in order: the last tenth of its sentences is the test part, the tenth
    before it the validation part. In a folder, files are found by the words of `PARTS` in their
    names; without a validation file, the last tenth of the training part is the validation part.

    Args:
      name: one of NAMES; anything containing a slash or a dot is a path.
      form, token, label, feature: see `data.tagged_files.read_tagged`.
      seed: seed of generated data.
      data_dir, raw_dir: see `data.raw`.

    Raises:
      UserError: the name is unknown, or a file cannot be obtained or read.
    """
    downloads = download_folder(data_dir)
    if name == "grammar":
        return grammar.corpus(seed)
    if name.startswith("mpqa-") and name in NAMES:
        return mpqa.load(name.removeprefix("mpqa-"), raw_dir or None, downloads)
    if name in ("sst2", "sst5"):
        return sst.load(int(name[-1]), raw_dir or None, downloads)
    if name in FILES:
        paths = [raw_file(file, raw_dir or None, downloads) for file in FILES[name]]
        form = "conllu" if name == "ud_english_ewt" else "columns"
        parts = [
            parsed(path.read_bytes(), str(path), form, token, label, feature) for path in paths
        ]
        return Corpus(*parts) if len(parts) == 3 else Corpus(*_split_off(parts[0]), parts[1])
    if "/" not in name and "." not in name:
        raise UserError(
            f"--dataset={name}: choose {', '.join(NAMES)}, or the path of a file or folder, such "
            f"as ./{name.strip() or 'mine'}.txt."
        )
    return _user_corpus(user_path(name), form, token, label, feature)


def _user_corpus(path: Path, *columns) -> Corpus:
    if not os.path.isdir(path):  # unlike Path.is_dir, false for a name that is too long
        train, test = _split_off(read_tagged(path, *columns))
        return Corpus(*_split_off(train, len(test.words)), test)
    files = {part: _file_of(path, part) for part in PARTS}
    for part in ("train", "test"):
        if files[part] is None:
            raise UserError(
                f"{path} has no {part} file; its name must contain one of the words "
                f"{', '.join(PARTS[part])}, as {part}.txt and eng.{PARTS[part][-1]} do."
            )
    if files["valid"] is None:
        train = _split_off(read_tagged(files["train"], *columns))
        return Corpus(*train, read_tagged(files["test"], *columns))
    return Corpus(*(read_tagged(file, *columns) for file in files.values()))


def _file_of(folder: Path, part: str) -> Path | None:
    """The file of a part: that whose name begins with one of its words, or else contains one."""
    names = sorted(f.name for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    first = [name for name in names if name.lower().partition(".")[0] in PARTS[part]]
    found = first or [name for name in names if part in _parts_in(name)]
    if len(found) > 1:
        raise UserError(
            f"{folder / found[0]} and {folder / found[1]} are both a {part} file; remove one."
        )
    if not found:
        return None
    if not first and len(_parts_in(found[0])) > 1:
        parts = " and a ".join(_parts_in(found[0]))
        raise UserError(f"{folder / found[0]} is both a {parts} file by its name; rename it.")
    return folder / found[0]


def _parts_in(name: str) -> list[str]:
    """The parts that the words of a file's name stand for."""
    words = set(re.split("[^a-z0-9]", name.lower()))
    return [part for part, known in PARTS.items() if words & set(known)]


def _split_off(sentences: Sentences, count: int = 0) -> tuple[Sentences, Sentences]:
    """All but the last `count` sentences (0: a tenth of them), and the last `count`."""
    count = count or -(-len(sentences.words) // 10)
    size = len(sentences.words) - count
    return (
        Sentences(*(part and part[:size] for part in sentences)),
        Sentences(*(part and part[size:] for part in sentences)),
    )
