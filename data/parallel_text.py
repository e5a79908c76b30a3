"""Sentences and their translations: a corpus by name, or two files of aligned lines.

numbers    numbers in English words and in digits; generated, no download
multi30k   29,000 image descriptions in English (en), German (de) and French (fr)
"""

import hashlib
import logging
from typing import NamedTuple

from data import number_words
from data.errors import UserError
from data.files import gunzipped, read_unpacked
from data.lines import lines_of
from data.raw import RawFile, download_folder, raw_file

NAMES = ("numbers", "multi30k")
LANGUAGES = ("en", "de", "fr")
_MULTI30K = (
    "https://raw.githubusercontent.com/multi30k/dataset/"
    "a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/"
)
_SUMS = {
    "test_2016_flickr.de": (
        22_890, "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8"),
    "test_2016_flickr.en": (
        21_077, "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"),
    "test_2016_flickr.fr": (
        22_310, "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90"),
    "train.de": (637_044, "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6"),
    "train.en": (568_929, "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f"),
    "train.fr": (604_242, "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c"),
    "val.de": (24_681, "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"),
    "val.en": (21_650, "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"),
    "val.fr": (23_001, "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9"),
}  # fmt: skip
FILES = {
    name: RawFile("multi30k", f"{name}.gz", (f"{_MULTI30K}{name}.gz",), *sums)
    for name, sums in _SUMS.items()
}
NUMBERS = {"train": 20_000, "valid": 500, "test": 1_000}


class Pairs(NamedTuple):
    """Aligned sentences: `targets[n]` is the translation of `sources[n]`."""

    sources: list[str]
    targets: list[str]

    def lower(self) -> "Pairs":
        """Both sides in lower case."""
        return Pairs(*([line.lower() for line in lines] for lines in self))


class Corpus(NamedTuple):
    """Training, validation and test pairs."""

    train: Pairs
    valid: Pairs
    test: Pairs

    @property
    def fingerprint(self) -> str:
        """A short hash of all sentences, which identifies the corpus."""
        sha = hashlib.sha256()
        for pairs in self:
            for lines in pairs:
                sha.update("\n".join(lines).encode("utf-8", "surrogatepass") + b"\0")
        return sha.hexdigest()[:16]


def load(
    dataset: str,
    *,
    source: str = "de",
    target: str = "en",
    valid_percent: float = 2.0,
    test_percent: float = 2.0,
    data_dir: str = "",
    raw_dir: str = "",
) -> Corpus:
    """Loads sentence pairs by name, or from two files.

    Args:
      dataset: one of NAMES; or the paths of two files separated by a comma, source first. Line n
        of one file is the translation of line n of the other; pairs with an empty side are
        dropped, and the validation and test parts are cut from the end. Gzip files are unpacked.
      source, target: the languages of `multi30k`.
      valid_percent, test_percent: shares of the pairs of two files.
      data_dir: downloads are kept in its subfolder `downloads`; default `~/tensorflow_datasets`.
      raw_dir: folder of raw files, used instead of downloading.

    Raises:
      UserError: the name or language is unknown, a file cannot be obtained or is not UTF-8, the
        two files differ in their number of lines, or too few pairs are left.
    """
    if dataset == "numbers":
        return _numbers()
    if dataset == "multi30k":
        for flag, language in (("source", source), ("target", target)):
            if language not in LANGUAGES:
                raise UserError(f"--{flag}={language}: choose one of {', '.join(LANGUAGES)}.")
        if source == target:
            raise UserError(f"--source and --target are both {source}; give two languages.")
        return Corpus(
            *(
                Pairs(*(_multi30k(part, lang, data_dir, raw_dir) for lang in (source, target)))
                for part in ("train", "val", "test_2016_flickr")
            )
        )
    paths = dataset.split(",")
    if len(paths) != 2:
        raise UserError(
            f"--dataset={dataset}: choose {', '.join(NAMES)}, or give the paths of two text files "
            "separated by a comma, such as ./mine.de,./mine.en."
        )
    return _three_parts(_read_two_files(*paths), valid_percent, test_percent, dataset)


def _numbers() -> Corpus:
    numbers = number_words.random_numbers(sum(NUMBERS.values()), seed=0)
    pairs = Pairs([number_words.in_words(int(n)) for n in numbers], [str(n) for n in numbers])
    parts, start = [], 0
    for size in NUMBERS.values():
        parts.append(Pairs(*(lines[start : start + size] for lines in pairs)))
        start += size
    return Corpus(*parts)


def _multi30k(part: str, language: str, data_dir: str, raw_dir: str) -> list[str]:
    path = raw_file(FILES[f"{part}.{language}"], raw_dir or None, download_folder(data_dir))
    return [line.strip() for line in lines_of(gunzipped(path.read_bytes(), str(path)), path.name)]


def _read_two_files(source: str, target: str) -> Pairs:
    sides = []
    for path in (source.strip(), target.strip()):
        content = read_unpacked(path, "name a text file")
        sides.append([line.strip() for line in lines_of(content, path)])
    if len(sides[0]) != len(sides[1]):
        raise UserError(
            f"{source} has {len(sides[0]):,} lines but {target} has {len(sides[1]):,}; line n of "
            "one file must be the translation of line n of the other."
        )
    kept = [pair for pair in zip(*sides, strict=True) if all(pair)]
    if left_out := len(sides[0]) - len(kept):
        logging.getLogger(__name__).warning(
            "%d of %d pairs have an empty side and are left out", left_out, len(sides[0])
        )
    return Pairs(*map(list, zip(*kept, strict=True))) if kept else Pairs([], [])


def _three_parts(pairs: Pairs, valid_percent: float, test_percent: float, name: str) -> Corpus:
    size = len(pairs.sources)
    test = size - round(size * test_percent / 100)
    valid = test - round(size * valid_percent / 100)
    parts = [Pairs(*(lines[a:b] for lines in pairs))
             for a, b in ((0, valid), (valid, test), (test, size))]  # fmt: skip
    if not all(part.sources for part in parts):
        raise UserError(
            f"{name} has {size:,} pairs without an empty side, but training, validation and test "
            "need at least one each; give more pairs, or a larger --valid_percent or "
            "--test_percent."
        )
    return Corpus(*parts)
