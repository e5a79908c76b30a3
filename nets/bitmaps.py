"""Stylised 7x12 pictures of the ten digits: the targets of LeNet-5's output units.

LeCun et al. 1998 take the bitmaps of Fig. 3, one for each printable ASCII character, so that
similar characters have similar codes. That figure is a picture, and its bitmaps are not published
as text: the ten below were drawn for this project in the same style. Any two of them differ in at
least 25 of their 84 pixels, since close codes are harder to tell apart.
"""

import numpy as np

WIDTH, HEIGHT = 7, 12

_DIGITS = """
..###..  ....##.  .#####.  #######  ##.....  ######.  ....###  #######  .#####.  ..####.
.#####.  ...###.  #######  .....##  ##.....  ######.  ...##..  #######  ##...##  .##..##
##...##  ..####.  ##...##  ....##.  ##..##.  ##.....  ..##...  .....##  ##...##  ##...##
##...##  .##.##.  .....##  ...##..  ##..##.  ##.....  .##....  .....##  .##.##.  ##...##
##...##  ....##.  .....##  ..####.  ##..##.  ##.....  .##....  ....##.  ..###..  ##...##
##...##  ....##.  ....##.  ....###  ##..##.  #####..  ######.  ....##.  ..###..  .######
##...##  ....##.  ...##..  .....##  #######  ....##.  #######  ..#####  .##.##.  ..#####
##...##  ....##.  ..##...  .....##  #######  .....##  ##...##  ...##..  ##...##  .....##
##...##  ....##.  .##....  .....##  ....##.  .....##  ##...##  ..##...  ##...##  .....##
##...##  ....##.  ##.....  ##...##  ....##.  .....##  ##...##  ..##...  ##...##  ....##.
.#####.  .######  #######  .##.##.  ....##.  ##..##.  .##.##.  .##....  .##.##.  ...##..
..###..  .######  #######  ..###..  ....##.  .####..  ..###..  .##....  ..###..  ###....
"""


def digit_bitmaps() -> np.ndarray:
    """The codes of the digits 0 to 9: float32 [10, 84], +1 for ink and -1 for background."""
    rows = [line.split() for line in _DIGITS.split("\n") if line]  # 12 rows of 10 strings
    pixels = np.array([[list(glyph) for glyph in row] for row in rows])  # [12, 10, 7]
    codes = np.where(pixels == "#", 1.0, -1.0).astype(np.float32)
    return codes.transpose(1, 0, 2).reshape(10, HEIGHT * WIDTH)
