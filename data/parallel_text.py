"""Sentences and their translations: a corpus by name, or files of aligned lines.

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
from data.text import replace_parts, three_parts

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
    valid: str = "",
    test: str = "",
    data_dir: str = "",
    raw_dir: str = "",
) -> Corpus:
    """Loads sentence pairs by name, or from files.

    Args:
      dataset: one of NAMES; or the paths of two files separated by a comma, source first, where
        line n of one file is the translation of line n of the other; or the path of a file with
        the source, a tab and the target on each line (further columns are not read). Pairs with
        an empty side are dropped. Gzip files are unpacked.
      source, target: the languages of `multi30k`.
      valid_percent, test_percent: shares of the pairs, cut from the end of the user's own files.
      valid, test: files like those of `dataset` that are the validation and test parts instead.
      data_dir: downloads are kept in its subfolder `downloads`; default `~/tensorflow_datasets`.
      raw_dir: folder of raw files, used instead of downloading.

    Raises:
      UserError: the name or language is unknown, a file cannot be obtained or is not UTF-8, two
        files differ in their number of lines, a line has no tab, or too few pairs are left.
    """
    given = [_read_part(flag, paths) for flag, paths in (("valid", valid), ("test", test))]
    if dataset == "numbers":
        return Corpus(*replace_parts(_numbers(), *given))
    if dataset == "multi30k":
        return Corpus(*replace_parts(_multi30k(source, target, data_dir, raw_dir), *given))
    if "/" not in dataset and "." not in dataset:
        raise UserError(
            f"--dataset={dataset}: choose {', '.join(NAMES)}, or give the paths of two text files "
            "separated by a comma, such as ./mine.de,./mine.en, or of one with tabs."
        )
    pairs = _read_pairs(dataset, "--dataset")
    return _three_parts(pairs, valid_percent, test_percent, *given, dataset)


def _multi30k(source: str, target: str, data_dir: str, raw_dir: str) -> Corpus:
    for flag, language in (("source", source), ("target", target)):
        if language not in LANGUAGES:
            raise UserError(f"--{flag}={language}: choose one of {', '.join(LANGUAGES)}.")
    if source == target:
        raise UserError(f"--source and --target are both {source}; give two languages.")
    return Corpus(
        *(
            Pairs(*(_multi30k_lines(part, side, data_dir, raw_dir) for side in (source, target)))
            for part in ("train", "val", "test_2016_flickr")
        )
    )


def _numbers() -> Corpus:
    numbers = number_words.random_numbers(sum(NUMBERS.values()), seed=0)
    pairs = Pairs([number_words.in_words(int(n)) for n in numbers], [str(n) for n in numbers])
    parts, start = [], 0
    for size in NUMBERS.values():
        parts.append(Pairs(*(lines[start : start + size] for lines in pairs)))
        start += size
    return Corpus(*parts)


def _multi30k_lines(part: str, language: str, data_dir: str, raw_dir: str) -> list[str]:
    path = raw_file(FILES[f"{part}.{language}"], raw_dir or None, download_folder(data_dir))
    return [line.strip() for line in lines_of(gunzipped(path.read_bytes(), str(path)), path.name)]


def _read_part(flag: str, paths: str) -> Pairs | None:
    """The pairs of `--valid` or `--test`; None without it."""
    if not paths:
        return None
    pairs = _read_pairs(paths, f"--{flag}")
    if not pairs.sources:
        raise UserError(f"--{flag}={paths} has no pairs; give at least one.")
    return pairs


def _read_pairs(paths: str, flag: str) -> Pairs:
    """The pairs of two aligned files (SOURCE,TARGET) or of one with tabs."""
    names = [path.strip() for path in paths.split(",")]
    if len(names) > 2 or not all(names):
        raise UserError(f"{flag}={paths}: give two files, source and target, or one with tabs.")
    advice = f"give two text files by {flag}, such as ./mine.de,./mine.en, or one with tabs"
    files = [lines_of(read_unpacked(name, advice), name) for name in names]
    pairs = _aligned(*names, *files) if len(files) == 2 else _tab_separated(*names, *files)
    kept = [pair for pair in pairs if all(pair)]
    if left_out := len(pairs) - len(kept):
        logging.getLogger(__name__).warning(
            "%s: %d of %d pairs have an empty side and are left out", paths, left_out, len(pairs)
        )
    return _unzipped(kept)


def _unzipped(pairs: list[tuple[str, str]]) -> Pairs:
    return Pairs(*([pair[side] for pair in pairs] for side in (0, 1)))


def _aligned(
    source: str, target: str, sources: list[str], targets: list[str]
) -> list[tuple[str, str]]:
    if len(sources) != len(targets):
        raise UserError(
            f"{source} has {len(sources):,} lines but {target} has {len(targets):,}; line n of "
            "one file must be the translation of line n of the other."
        )
    return [(a.strip(), b.strip()) for a, b in zip(sources, targets, strict=True)]


def _tab_separated(name: str, lines: list[str]) -> list[tuple[str, str]]:
    found = []
    for number, line in enumerate(lines, 1):
        cells = line.split("\t")
        if len(cells) < 2 and line.strip():
            raise UserError(
                f"{name}, line {number:,} has no tab between a sentence and its translation; add "
                "it, or give two files with a comma between their paths."
            )
        found.append((cells[0].strip(), cells[1].strip()) if len(cells) > 1 else ("", ""))
    return found


def _three_parts(
    pairs: Pairs,
    valid_percent: float,
    test_percent: float,
    valid: Pairs | None,
    test: Pairs | None,
    name: str,
) -> Corpus:
    given = (part and list(zip(*part, strict=True)) for part in (valid, test))
    rows = list(zip(*pairs, strict=True))
    parts = three_parts(rows, valid_percent, test_percent, *given)
    corpus = Corpus(*map(_unzipped, parts))
    if not all(part.sources for part in corpus):
        raise UserError(
            f"{name} has {len(pairs.sources):,} pairs without an empty side, but training, "
            "validation and test need at least one each; give more pairs, or a larger "
            "--valid_percent or --test_percent."
        )
    return corpus
