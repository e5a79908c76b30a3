"""Picture files of any size as 28x28 grey images with bright ink on a dark background.

A picture is rotated according to its EXIF orientation, laid on white where it is transparent,
converted to grey and scaled smoothly, keeping its aspect ratio, to just fit into 28x28. If most
pictures have a bright rim, like ink on paper, all are inverted, so that the background is 0 and
ink is 255. The margins of pictures that are not square are filled with background.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.images import SIDE

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
MOST_PIXELS = 50_000_000  # per picture: enough for large cameras, far too few to fill memory
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # whatever the file is called
DEEP_MODES = ("I", "F")  # more than 8 bits per pixel, which Pillow would clip at 255


def is_picture(path: Path) -> bool:
    """Whether a file is a picture, judging by its extension."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def read(paths: Sequence[Path]) -> np.ndarray:
    """Reads picture files into uint8 [N, 28, 28], background 0.

    Raises:
      UserError: a picture cannot be read, is too large, or has more than 8 bits per pixel.
    """
    greys = [_grey(path) for path in paths]
    if np.median([_rim(grey) for grey in greys]) > 127:
        greys = [255 - grey for grey in greys]
    return np.stack([_centred(grey) for grey in greys])


def _grey(path: Path) -> np.ndarray:
    """Reads one picture as uint8 [height, width], with its longer side 28."""
    from PIL import Image, ImageOps

    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(path, formats=FORMATS) as picture,
        ):
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_large(path)
            if picture.mode.startswith(DEEP_MODES):
                raise UserError(f"{path} has more than 8 bits per pixel; convert it to 8 bits.")
            layered = ImageOps.exif_transpose(picture).convert("RGBA")
            white = Image.new("RGBA", layered.size, "white")
            grey = Image.alpha_composite(white, layered).convert("L")
            return np.asarray(grey.resize(_fitted(grey.size), Image.Resampling.LANCZOS))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds
        raise UserError(
            f"{path} cannot be read as a picture ({error}); repair it or remove it."
        ) from error


def _too_large(path: Path) -> UserError:
    return UserError(f"{path} has more than {MOST_PIXELS:,} pixels; make it smaller.")


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    """The size (width, height) with the same aspect ratio and a longer side of 28."""
    longer = max(size)
    return max(1, round(size[0] * SIDE / longer)), max(1, round(size[1] * SIDE / longer))


def _rim(grey: np.ndarray) -> float:
    """The median brightness of the outermost pixels."""
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))


def _centred(grey: np.ndarray) -> np.ndarray:
    above, left = (SIDE - grey.shape[0]) // 2, (SIDE - grey.shape[1]) // 2
    below, right = SIDE - grey.shape[0] - above, SIDE - grey.shape[1] - left
    return np.pad(grey, ((above, below), (left, right)))
