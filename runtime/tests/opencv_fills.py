"""Makes opencv_fills.safetensors: what OpenCV fills in, for the test of the same name to compare with.

usage: python opencv_fills.py, with the python that `cargo ci venv` prints

Each case has a picture [H, W, 3], a hole [H, W] (1: to fill) and OpenCV's answers telea and ns [H, W, 3], all bytes.
"""

from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import save_file

HERE = Path(__file__).resolve().parent
PHOTOGRAPH = HERE.parent.parent / "edge-apps" / "samples" / "stingray.jpg"
RADIUS_PX = 3
# What stands in the hole must not matter.
BLANK = (255, 0, 255)


def photograph(top: int, left: int, height: int, width: int) -> np.ndarray:
    """A part of a sample photograph."""
    picture = cv2.imread(str(PHOTOGRAPH), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise SystemExit(f"{PHOTOGRAPH} is not a picture")
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def hole(height: int, width: int, is_hole) -> np.ndarray:
    """The pixels that `is_hole(y, x)` names."""
    y, x = np.mgrid[:height, :width]
    return is_hole(y, x).astype(np.uint8)


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pictures and their holes, by name."""
    inside = hole(
        90,
        110,
        lambda y, x: (np.hypot(y - 40, x - 35) < 22)
        | ((y > 60) & (y < 80) & (x > 50) & (x < 100))
        | ((abs(y - x + 40) < 2) & (y > 8) & (y < 60) & (x < 100)),
    )
    random = np.random.default_rng(7)
    speckled = np.zeros((60, 70), np.uint8)
    speckled[6:54, 6:64] = random.random((48, 58)) < 0.4
    edges = hole(
        70,
        80,
        lambda y, x: ((y < 15) & (x < 20)) | ((y > 55) & (x > 30) & (x < 60)) | ((x > 70) & (y > 20)) | ((y < 4) & (x > 40)),
    )
    return {
        "inside": (photograph(100, 320, 90, 110), inside),
        "noise": (random.integers(0, 256, (60, 70, 3), dtype=np.uint8), speckled),
        "edges": (photograph(200, 200, 70, 80), edges),
    }


def main() -> None:
    """Fills each case and writes them all."""
    tensors = {}
    for name, (picture, mask) in cases().items():
        picture[mask > 0] = BLANK
        tensors[f"{name}.picture"] = picture
        tensors[f"{name}.hole"] = mask
        tensors[f"{name}.telea"] = cv2.inpaint(picture, mask, RADIUS_PX, cv2.INPAINT_TELEA)
        tensors[f"{name}.ns"] = cv2.inpaint(picture, mask, RADIUS_PX, cv2.INPAINT_NS)
    save_file(tensors, HERE / "opencv_fills.safetensors", {"opencv": cv2.__version__})


if __name__ == "__main__":
    main()
