"""Image sets by name or path."""

import numpy as np
import pytest

from data import digits, image_sets
from data.errors import UserError


def test_a_name_is_looked_up():
    named, wanted = image_sets.load("digits"), digits.load()
    np.testing.assert_array_equal(named.test.images, wanted.test.images)


def test_a_path_is_read_as_a_folder(tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)):
        image_sets.load(str(tmp_path))


@pytest.mark.parametrize(("others", "names"), [((), ""), (("identity",), "identity, ")])
def test_unknown_names_are_told_what_there_is(others, names):
    with pytest.raises(UserError, match=f"choose {names}digits, mnist, or a folder's path"):
        image_sets.load("digit", others=others)
