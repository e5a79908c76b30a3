"""Numbers as they are shown to people."""

import math

import pytest

from experiments.runtime.numbers import counted, readable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1, "1"), (60000, "60,000"), (12345.6, "12,346"), (1.25, "1.25"),
        (0.0390625, "0.03906"), (4.597e-05, "0.00004597"), (3.2e-9, "3.2e-9"), (100.0, "100"),
        (99.9996, "100"), (-0.5, "-0.5"), (1234567.0, "1,234,567"), (9.5367e-07, "9.537e-7"),
        (2.5e20, "2.5e20"), (-12345.678, "-12,346"), (math.inf, "inf"), (math.nan, "nan"),
        (0.00099996, "0.001"), (999.96, "1,000"),
    ],
)  # fmt: skip
def test_a_number_reads_as_a_person_writes_it(value, text):
    assert readable(value) == text


def test_all_digits_are_shown_on_request():
    values = (0.0005, 123456.789, 5e-05, 1e-7, 0.1)
    assert [readable(value, None) for value in values] == [
        "0.0005", "123,456.789", "0.00005", "1e-7", "0.1"
    ]  # fmt: skip


def test_one_of_a_thing_is_singular():
    texts = counted(1, "layer"), counted(2, "layer"), counted(1000, "class", "classes")
    assert texts == ("1 layer", "2 layers", "1,000 classes")
