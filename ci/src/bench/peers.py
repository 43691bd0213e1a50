"""How long ONNX Runtime and OpenVINO take for a bundle's model.

usage: python peers.py prepare BUNDLE FOLDER [f32]
       python peers.py case FOLDER WHAT TOKENS
       python peers.py time ENGINE FOLDER FORM WHAT TOKENS THREADS RUNS
       python peers.py providers

`prepare` writes the forms of a bundle's graphs that suit other engines into FOLDER/encoder and FOLDER/decoder: `f32.onnx`;
`dynamic.onnx`, int8 whose activations are quantized as they come; `static.onnx`, int8 whose activations have fixed ranges;
and `glimpse.onnx`, the bundle's own int8 form; with `f32`, the first alone. `case` writes FOLDER/WHAT/TOKENS.json: made-up input of a graph (encoder or
decoder) of TOKENS tokens, the class token among them, and ONNX Runtime's answer to it in f32.

`providers` prints as JSON what ONNX Runtime has for GPUs, the fastest first.

`time` runs a form (FORM) with ENGINE (onnxruntime, onnxruntime:PROVIDER or openvino) and prints as JSON the milliseconds of RUNS runs, after a
tenth as many that are not timed. WHAT is a graph by itself, on its case, whose answer it tells its relative error to; or a
frame of 640×480, `features` or `painted`, with OpenCV, NumPy and SciPy around the graphs: the membrane that the answer is
added to is factored once for its mask.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

sys.path.append(str(Path(__file__).parent.parent))
from onnx_forms import dynamic, widened  # noqa: E402

PARTS = ("encoder", "decoder")
GPU_PROVIDERS = ("CUDAExecutionProvider", "WebGpuExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider")
Arrays = dict[str, np.ndarray]


def made_up(model: onnx.ModelProto, tokens: int) -> Arrays:
    """Input of the contract's shapes."""
    rng = np.random.default_rng(0)
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in model.graph.input}
    if "patches" in shapes:
        patches = rng.standard_normal((tokens - 1, shapes["patches"][1]), dtype=np.float32)
        return {"patches": patches, "positions": np.arange(tokens - 1, dtype=np.int64)}
    restore = np.zeros(shapes["restore"][0], dtype=np.int64)
    restore[: tokens - 1] = np.arange(1, tokens)
    return {"tokens": rng.standard_normal((tokens, shapes["tokens"][1]), dtype=np.float32), "restore": restore}


def prepare(bundle: Path, folder: Path, f32_alone: bool) -> None:
    """Writes the forms of others."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Calibration(CalibrationDataReader):
        def __init__(self, model: onnx.ModelProto) -> None:
            shapes = [value.type.tensor_type.shape.dim[0].dim_value for value in model.graph.input]
            self.inputs = iter([made_up(model, tokens) for tokens in (17, 50, max(50, *shapes))])

        def get_next(self) -> Arrays | None:
            return next(self.inputs, None)

    for part in PARTS:
        if not (bundle / f"{part}.int8.onnx").is_file():
            continue
        forms = folder / part
        forms.mkdir(parents=True, exist_ok=True)
        int8 = onnx.load(bundle / f"{part}.int8.onnx")
        onnx.save(int8, forms / "glimpse.onnx")
        model = widened(int8)
        onnx.save(model, forms / "f32.onnx")
        if f32_alone:
            continue
        dynamic(model, forms / "dynamic.onnx")
        quant_pre_process(forms / "f32.onnx", forms / "prepared.onnx", skip_symbolic_shape=True)
        quantize_static(
            forms / "prepared.onnx",
            forms / "static.onnx",
            Calibration(model),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Gemm"],
        )
        (forms / "prepared.onnx").unlink()


def write_case(folder: Path, part: str, tokens: int) -> None:
    """Writes a graph's input and the answer to it."""
    file = folder / part / "f32.onnx"
    inputs = made_up(onnx.load(file), tokens)
    found = {**inputs, "answer": runner("onnxruntime", file, 1)(inputs)}
    (folder / part / f"{tokens}.json").write_text(json.dumps({name: array.tolist() for name, array in found.items()}))


def read_case(file: Path) -> Arrays:
    """A case: numbers are f32, but for the places of tokens."""
    found = {name: np.array(values) for name, values in json.loads(file.read_text()).items()}
    return {name: array.astype(np.float32) if array.dtype == np.float64 else array for name, array in found.items()}


def runner(engine: str, file: Path, threads: int) -> Callable[[Arrays], np.ndarray]:
    """What runs a file once."""
    if engine.startswith("onnxruntime"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        provider = engine.partition(":")[2] or "CPUExecutionProvider"
        session = onnxruntime.InferenceSession(file, options, providers=[provider])
        if provider not in session.get_providers():
            sys.exit(f"ONNX Runtime runs nothing with {provider}")
        return lambda inputs: session.run(None, inputs)[0]
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # what is f32 stays f32: on some CPUs it would be bf16
        "INFERENCE_PRECISION_HINT": "f32",
    }
    core = openvino.Core()
    request = core.compile_model(core.read_model(file), "CPU", settings).create_infer_request()
    return lambda inputs: request.infer(inputs, share_inputs=True, share_outputs=True)[0]


def frames(folder: Path, form: str, what: str, tokens: int, run_of: Callable[[Path], Callable]) -> Callable[[], None]:
    """What brings a frame through a model once, with OpenCV and NumPy around the graphs."""
    import cv2

    encoder = onnx.load(folder / "encoder" / f"{form}.onnx")
    decoder = onnx.load(folder / "decoder" / f"{form}.onnx")
    patch_len = encoder.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    places = decoder.graph.input[1].type.tensor_type.shape.dim[0].dim_value
    patch, grid = round((patch_len / 3) ** 0.5), round(places**0.5)
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    visible = np.sort(rng.choice(places, tokens - 1, replace=False)).astype(np.int64)
    restore = np.zeros(places, dtype=np.int64)
    restore[visible] = np.arange(1, tokens)
    scale, offset = np.float32(1 / 255 / 0.25), np.float32(0.5 / 0.25)
    hidden = np.ones(places, dtype=bool)
    hidden[visible] = False
    # [side, side]: patches to their pixels
    unknown = np.kron(hidden.reshape(grid, grid), np.ones((patch, patch))).astype(bool)
    fill = membrane(unknown)
    encode = run_of(folder / "encoder" / f"{form}.onnx")
    decode = run_of(folder / "decoder" / f"{form}.onnx")

    def once() -> None:
        image = cv2.resize(frame, (grid * patch, grid * patch), interpolation=cv2.INTER_AREA)
        image = image.astype(np.float32) * scale - offset
        patches = image.reshape(grid, patch, grid, patch, 3).transpose(0, 2, 1, 3, 4).reshape(places, patch_len)
        found = encode({"patches": patches[visible], "positions": visible})
        if what == "features":
            return
        painted = decode({"tokens": found, "restore": restore})
        painted = painted.reshape(grid, grid, patch, patch, 3).transpose(0, 2, 1, 3, 4).reshape(grid * patch, -1, 3)
        image[unknown] = painted[unknown] + fill(image)
        np.clip((image + offset) / scale, 0, 255).round().astype(np.uint8)

    return once


def membrane(unknown: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What gives the unknown pixels of an image the smoothest surface through the others: factored once for the mask."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    side = unknown.shape[0]
    path = sparse.diags_array([np.ones(side - 1), np.ones(side - 1)], offsets=[-1, 1])
    eye = sparse.eye_array(side)
    beside = (sparse.kron(path, eye) + sparse.kron(eye, path)).tocsr()
    laplacian = sparse.diags_array(beside.sum(axis=1)) - beside
    rows = laplacian.tocsr()[unknown.ravel()]
    factors = splu(rows[:, unknown.ravel()].tocsc())
    known = rows[:, ~unknown.ravel()]

    def fill(image: np.ndarray) -> np.ndarray:
        return factors.solve(-(known @ image[~unknown].astype(np.float64))).astype(np.float32)

    return fill


def timed(engine: str, folder: Path, form: str, what: str, tokens: int, threads: int, runs: int) -> dict:
    """Milliseconds of each run, and the answer's error where it is known."""

    def run_of(file: Path) -> Callable[[Arrays], np.ndarray]:
        return runner(engine, file, threads)

    if what in PARTS:
        inputs = read_case(folder / what / f"{tokens}.json")
        known = inputs.pop("answer")
        run = run_of(folder / what / f"{form}.onnx")
        once = lambda: run(inputs)  # noqa: E731
    else:
        import cv2

        cv2.setNumThreads(threads)
        once = frames(folder, form, what, tokens, run_of)
    times = []
    warm_up = -(-runs // 10)
    for index in range(warm_up + runs):
        start = time.perf_counter()
        once()
        if index >= warm_up:
            times.append(1e3 * (time.perf_counter() - start))
    error = float(np.linalg.norm(once() - known) / np.linalg.norm(known)) if what in PARTS else None
    return {"times_ms": times, "error": error}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", bundle, folder]:
            prepare(Path(bundle), Path(folder), False)
        case ["prepare", bundle, folder, "f32"]:
            prepare(Path(bundle), Path(folder), True)
        case ["case", folder, what, tokens]:
            write_case(Path(folder), what, int(tokens))
        case ["time", engine, folder, form, what, tokens, threads, runs]:
            print(json.dumps(timed(engine, Path(folder), form, what, int(tokens), int(threads), int(runs))))
        case ["providers"]:
            import onnxruntime

            there = onnxruntime.get_available_providers()
            print(json.dumps([provider for provider in GPU_PROVIDERS if provider in there]))
        case _:
            sys.exit(__doc__)
