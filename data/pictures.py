"""Picture files of any size as 28x28 grey images with bright ink on a dark background.

A picture is rotated according to its EXIF orientation, laid on white where it is transparent,
converted to grey and scaled smoothly, keeping its aspect ratio, to just fit into 28x28. A picture
with a bright rim, like ink on paper, is inverted, so that the background is 0 and ink is 255. The
margins of pictures that are not square are filled with background.
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.files import open_plain
from data.images import SIDE

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
MOST_PIXELS = 50_000_000  # per picture: enough for large cameras, far too few to fill memory
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # whatever the file is called
FAINT = 8  # a picture whose pixels differ by no more than this shows nothing
OPAQUE_MODES = ("L", "RGB")
DEEP_MODES = ("I", "F")  # more than 8 bits per pixel, which Pillow would clip at 255


def is_picture(path: Path) -> bool:
    """Whether a path is that of a picture, judging by its ending; there need not be a file."""
    return path.suffix.lower() in ENDINGS and not path.is_dir()


def read(paths: Sequence[Path]) -> np.ndarray:
    """Reads picture files into uint8 [N, 28, 28], background 0; warns of pictures of one shade.

    Raises:
      UserError: a picture cannot be read, is too large, or has more than 8 bits per pixel; or all
        pictures are of one shade.
    """
    greys = [_scaled(grey(path)) for path in paths]
    _check_shades(greys, paths)
    return np.stack([_centred(_bright_on_dark(grey)) for grey in greys])


def _check_shades(greys: Sequence[np.ndarray], paths: Sequence[Path]) -> None:
    empty = [
        path
        for grey, path in zip(greys, paths, strict=True)
        if int(grey.max()) - int(grey.min()) <= FAINT
    ]
    if not empty:
        return
    sentence = f"{len(empty):,} of {len(paths):,} pictures are of one shade, such as {empty[0]}"
    if len(empty) == len(paths):
        raise UserError(f"{sentence}; give pictures that show something.")
    logging.getLogger(__name__).warning("%s; they show nothing to learn from.", sentence)


def grey(path: Path) -> np.ndarray:
    """One picture as it is looked at, in grey: uint8 [height, width], 255 is white.

    Raises:
      UserError: it cannot be read, is too large, or has more than 8 bits per pixel.
    """
    from PIL import Image

    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            open_plain(path) as file,
            Image.open(file, formats=FORMATS) as picture,
        ):
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_large(path)
            if picture.mode.startswith(DEEP_MODES):
                raise UserError(f"{path} has more than 8 bits per pixel; convert it to 8 bits.")
            return np.asarray(_on_white(picture))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds
        raise UserError(
            f"{path} cannot be read as a picture ({error}); repair it or remove it."
        ) from error


def _scaled(image: np.ndarray) -> np.ndarray:
    """A grey image smoothly scaled, so that its longer side is 28."""
    from PIL import Image

    height, width = image.shape
    fitted = Image.fromarray(image).resize(_fitted((width, height)), Image.Resampling.LANCZOS)
    return np.asarray(fitted)


def _on_white(picture):
    """A picture the right way up, on white paper where it is transparent, in grey."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode in OPAQUE_MODES and "transparency" not in picture.info:
        return picture.convert("L")
    layered = picture.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(white, layered).convert("L")


def _too_large(path: Path) -> UserError:
    return UserError(f"{path} has more than {MOST_PIXELS:,} pixels; make it smaller.")


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    """The size (width, height) with the same aspect ratio and a longer side of 28."""
    longer = max(size)
    return max(1, round(size[0] * SIDE / longer)), max(1, round(size[1] * SIDE / longer))


def _bright_on_dark(grey: np.ndarray) -> np.ndarray:
    """The picture, inverted if the median of its outermost pixels is bright."""
    rim = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return 255 - grey if np.median(rim) > 127 else grey


def _centred(grey: np.ndarray) -> np.ndarray:
    above, left = (SIDE - grey.shape[0]) // 2, (SIDE - grey.shape[1]) // 2
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[above : above + grey.shape[0], left : left + grey.shape[1]] = grey
    return image
