"""A film's frames through a bundle's encoder, with OpenCV and ONNX Runtime: what `glimpse camera` does, as one would write it.

usage: python camera.py MANIFEST FOLDER FORM FILM FRAMES PACE THREADS OUT

MANIFEST is a bundle's, FOLDER holds the forms of its graphs that `peers.py prepare` writes, FORM is one of them. FRAMES is
how many frames are looked at, from the beginning again where the film has fewer. With PACE 1, they come as the film has
them, else as fast as they are taken. Each frame's features, the class token, are a line of JSON in OUT. Prints as JSON the
frames per second and the milliseconds from a frame to its features (median and 99th percentile).
"""

import json
import sys
import time
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime


def main(
    manifest: Path, folder: Path, form: str, film: str, frames: int, paced: bool, threads: int, out: str
) -> None:
    spec = tomllib.loads(manifest.read_text())["spec"]
    side, patch = spec["image_side"], spec["patch_side"]
    grid = side // patch
    places, patch_len = grid * grid, patch * patch * 3
    mean, std = (np.array(spec[name], dtype=np.float32) for name in ("mean", "std"))
    cv2.setNumThreads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "encoder" / f"{form}.onnx", options, providers=["CPUExecutionProvider"])
    positions = np.arange(places, dtype=np.int64)
    scale, offset = 1 / (255 * std), mean / std
    capture = cv2.VideoCapture(film)
    fps = capture.get(cv2.CAP_PROP_FPS)
    latencies = []
    with open(out, "w") as lines:
        start = time.perf_counter()
        for number in range(frames):
            if paced:
                time.sleep(max(0, start + number / fps - time.perf_counter()))
            found, frame = capture.read()
            if not found:
                capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
                found, frame = capture.read()
            captured, captured_at = time.time(), time.perf_counter()
            image = cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.float32) * scale - offset
            patches = image.reshape(grid, patch, grid, patch, 3).transpose(0, 2, 1, 3, 4).reshape(places, patch_len)
            tokens = session.run(None, {"patches": patches, "positions": positions})[0]
            latencies.append(1e3 * (time.perf_counter() - captured_at))
            row = {"frame": number, "captured": captured, "features": tokens[0].tolist()}
            lines.write(json.dumps(row) + "\n")
        seconds = time.perf_counter() - start
    latencies.sort()
    print(
        json.dumps(
            {
                "frames_per_s": frames / seconds,
                "latency_p50_ms": latencies[len(latencies) // 2],
                "latency_p99_ms": latencies[len(latencies) * 99 // 100],
            }
        )
    )


if __name__ == "__main__":
    if len(sys.argv) != 9:
        sys.exit(__doc__)
    manifest, folder, form, film, frames, pace, threads, out = sys.argv[1:]
    main(Path(manifest), Path(folder), form, film, int(frames), pace == "1", int(threads), out)
