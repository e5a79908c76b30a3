"""Picture files of any size as 28x28 grey images with bright ink.

A picture is turned as its camera noted, laid on white where it is transparent, made grey, and
scaled (smoothly, keeping its aspect) to just fit into 28x28. Where most pictures are bright at
the rim, as ink on paper is, all are inverted, so that background is 0 and ink is 255. What
remains beside a picture that is not square is filled with background.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.images import SIDE

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
MOST_PIXELS = 50_000_000  # of one picture: what a large camera takes, far below what fills memory
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # whatever the name says
DEEP_MODES = ("I", "F")  # more than 8 bits a pixel, which Pillow would cut off at 255


def is_picture(path: Path) -> bool:
    """Whether a file is a picture, by the ending of its name."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def read(paths: Sequence[Path]) -> np.ndarray:
    """Reads picture files into uint8 [N, 28, 28], background 0.

    Raises:
      UserError: a picture cannot be read, is too large, or has more than 8 bits a pixel.
    """
    greys = [_grey(path) for path in paths]
    if np.median([_rim(grey) for grey in greys]) > 127:
        greys = [255 - grey for grey in greys]
    return np.stack([_centred(grey) for grey in greys])


def _grey(path: Path) -> np.ndarray:
    """Reads one picture as uint8 [height, width], its longer side 28."""
    from PIL import Image, ImageOps

    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(path, formats=FORMATS) as picture,
        ):
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_large(path)
            if picture.mode.startswith(DEEP_MODES):
                raise UserError(f"{path} has more than 8 bits a pixel; convert it to 8 bits.")
            layered = ImageOps.exif_transpose(picture).convert("RGBA")
            white = Image.new("RGBA", layered.size, "white")
            grey = Image.alpha_composite(white, layered).convert("L")
            return np.asarray(grey.resize(_fitted(grey.size), Image.Resampling.LANCZOS))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except UserError:
        raise
    except Exception as error:  # of many kinds, by Pillow's decoders
        raise UserError(
            f"{path} cannot be read as a picture ({error}); mend it or take it out."
        ) from error


def _too_large(path: Path) -> UserError:
    return UserError(f"{path} has more than {MOST_PIXELS:,} pixels; make it smaller.")


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    """The size (width, height) whose longer side is 28 and whose aspect is kept."""
    longer = max(size)
    return max(1, round(size[0] * SIDE / longer)), max(1, round(size[1] * SIDE / longer))


def _rim(grey: np.ndarray) -> float:
    """The median brightness of the outermost pixels."""
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))


def _centred(grey: np.ndarray) -> np.ndarray:
    above, left = (SIDE - grey.shape[0]) // 2, (SIDE - grey.shape[1]) // 2
    below, right = SIDE - grey.shape[0] - above, SIDE - grey.shape[1] - left
    return np.pad(grey, ((above, below), (left, right)))
