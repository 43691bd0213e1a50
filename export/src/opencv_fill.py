"""Fills holes in pictures with OpenCV's two classical methods, for `verify` to compare with.

usage: python opencv_fill.py FOLDER

For every NAME.png in FOLDER that has a NAME.mask.png of the same size (white: hole), writes NAME.telea.png and
NAME.ns.png (Navier–Stokes). Prints, as one line of JSON, the versions used and the number of pictures filled.
"""

import json
import platform
import sys
from pathlib import Path

import cv2

# OpenCV's own examples use it for holes of any size: what is filled in grows from the rim, and this is how far it looks.
RADIUS_PX = 3
METHODS = {"telea": cv2.INPAINT_TELEA, "ns": cv2.INPAINT_NS}
MASK_ENDING = ".mask.png"


def read(path: Path, flags: int):
    """The picture in a file; ends the program if there is none."""
    picture = cv2.imread(str(path), flags)
    if picture is None:
        sys.exit(f"{path} is not a picture")
    return picture


def fill(folder: Path) -> int:
    """Fills every picture in the folder that has a mask; how many there were."""
    masks = sorted(folder.glob(f"*{MASK_ENDING}"))
    for mask_path in masks:
        name = mask_path.name.removesuffix(MASK_ENDING)
        picture = read(folder / f"{name}.png", cv2.IMREAD_COLOR)
        mask = read(mask_path, cv2.IMREAD_GRAYSCALE)
        if mask.shape != picture.shape[:2]:
            sys.exit(f"{mask_path} is not of the size of {name}.png")
        hole = (mask >= 128).astype("uint8")
        for ending, method in METHODS.items():
            filled = cv2.inpaint(picture, hole, RADIUS_PX, method)
            path = folder / f"{name}.{ending}.png"
            if not cv2.imwrite(str(path), filled):
                sys.exit(f"cannot write {path}")
    return len(masks)


def main() -> None:
    """Reads the argument, fills and reports."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python opencv_fill.py FOLDER")
    count = fill(Path(sys.argv[1]))
    report = {"opencv": cv2.__version__, "python": platform.python_version(), "pictures": count}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
