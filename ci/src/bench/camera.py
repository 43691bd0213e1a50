"""A film's frames through a bundle's encoder, with OpenCV and ONNX Runtime: what `glimpse camera` does, as one would write it.

usage: python camera.py FOLDER FORM FILM FRAMES PACE THREADS OUT

FOLDER holds the forms of a bundle's graphs that `peers.py prepare` writes, FORM is one of them. FRAMES is how many frames
are looked at, from the beginning again where the film has fewer. With PACE 1, they come as the film has them, else as fast as
they are taken. Each frame's features, the class token, are a line of JSON in OUT. Prints as JSON the frames per second and
the milliseconds from a frame to its features (median and 99th percentile).
"""

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime


def main(folder: Path, form: str, film: str, frames: int, paced: bool, threads: int, out: str) -> None:
    file = folder / "encoder" / f"{form}.onnx"
    decoder = onnx.load(folder / "decoder" / f"{form}.onnx").graph
    patch_len = onnx.load(file).graph.input[0].type.tensor_type.shape.dim[1].dim_value
    places = decoder.input[1].type.tensor_type.shape.dim[0].dim_value
    patch, grid = round((patch_len / 3) ** 0.5), round(places**0.5)
    side = grid * patch
    cv2.setNumThreads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    positions = np.arange(places, dtype=np.int64)
    scale, offset = np.float32(1 / 255 / 0.25), np.float32(0.5 / 0.25)
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
    if len(sys.argv) != 8:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5] == "1", int(sys.argv[6]), sys.argv[7])
