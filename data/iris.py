"""Iris: 150 flowers of three species by four lengths in cm (Anderson 1935, Fisher 1936).

The rows are scikit-learn's; the parts are those of TensorFlow's tutorial, whose files
`iris_training.csv` (120 rows) and `iris_test.csv` (30) the lecture's program reads. Those files
have two of UCI's rows as they are there, with an error that scikit-learn corrects: so that the data
are the lecture's to the last digit, the two rows are put back.
"""

import numpy as np

from data.tables import TEST, TRAIN, Table

COLUMNS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
TEST_ROWS = (
    61, 139, 23, 85, 89, 97, 33, 133, 88, 108, 102, 13, 121, 53, 62,
    0, 79, 24, 39, 113, 20, 66, 103, 72, 82, 91, 32, 86, 144, 74,
)  # fmt: skip
UCI = (4.9, 3.1, 1.5, 0.1)  # there rows 34 and 37, both of the training part
UCI_ROWS = (34, 37)
# The tutorial's two flowers without a species.
NEW_FLOWERS = ((6.4, 3.2, 4.5, 1.5), (5.8, 3.1, 5.0, 1.7))


def load() -> tuple[Table, np.ndarray]:
    """The 150 flowers, and their parts int8 [150]: 120 for training and 30 for testing."""
    from sklearn.datasets import load_iris  # takes most of a second

    found = load_iris()
    inputs = found.data.astype(np.float32)
    inputs[list(UCI_ROWS)] = UCI
    parts = np.full(len(inputs), TRAIN, np.int8)
    parts[list(TEST_ROWS)] = TEST
    species = tuple(map(str, found.target_names))
    return Table(inputs, found.target.astype(np.int32), COLUMNS, species), parts
