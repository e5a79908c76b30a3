"""`data/README.md` describes every data set that the code reads by name."""

import pathlib
import re

import pytest

from data import (
    cmu_faces,
    corpora,
    natural_images,
    parallel_text,
    published,
    tagged_corpora,
    vector_texts,
    word_corpora,
)

README = pathlib.Path(published.__file__).with_name("README.md").read_text(encoding="utf-8")
# They have no list of names in data/.
EMBEDDED_OR_GENERATED = ("digits", "identity", "generated", "iris")
NAMES = {
    *EMBEDDED_OR_GENERATED, cmu_faces.NAME, *published.DATASETS, *corpora.NAMES,
    *word_corpora.NAMES, *parallel_text.NAMES, *tagged_corpora.NAMES, *vector_texts.NAMES,
    *natural_images.NAMES,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_is_described(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", published.DATASETS)
def test_every_published_file_has_its_address_size_and_sum(name):
    for file in published.DATASETS[name]:
        row = f"| `{file.dataset}/{file.name}` | {file.size:,} | `{file.sha256}` |"
        assert row in README
        for url in file.urls:
            assert url in README or url[: url.rindex("/") + 1] in README


def test_no_data_set_is_described_that_the_code_does_not_know():
    table = README.partition("## Data sets by name")[2].partition("\n\n`./launch.sh")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    described = {name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}
    # The others are names of files, not of --dataset.
    assert described == NAMES - {"mpqa_opinion", "sst", "word2vec_eval"}
