"""Answers the golden inputs of a bundle with ONNX Runtime.

usage: python onnxruntime_answers.py BUNDLE ANSWERS

Reads `golden.safetensors` and the graphs in the folder BUNDLE, and writes the safetensors file ANSWERS with
`{case}.{form}.tokens` and, if the bundle has a decoder, `{case}.{form}.painted`: the decoder is given what the encoder
of the same form answered. The form `dynamic` is ONNX Runtime's own int8 of the same weights, whose activations are
quantized as they come.
"""

import sys
import tempfile
from pathlib import Path

import onnx
import onnxruntime
from onnx_forms import dynamic, widened
from safetensors.numpy import load_file, save_file

CASES = ("one", "quarter", "all")
# A form, and what stands between the name of a graph and `.onnx`.
FORMS = {"f32": "", "int8": ".int8", "dynamic": ".int8"}


def graph(bundle: Path, part: str, form: str) -> onnxruntime.InferenceSession | None:
    """The graph of a part in a form, or None if the bundle does not hold it."""
    path = bundle / f"{part}{FORMS[form]}.onnx"
    if not path.is_file():
        return None
    options = onnxruntime.SessionOptions()
    # Beyond this level a DequantizeLinear before a MatMul becomes an operator that quantizes activations too, which is
    # not what the graph says.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    if form == "dynamic":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "dynamic.onnx"
            dynamic(widened(onnx.load(path)), file)
            return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def answers(bundle: Path) -> dict:
    """What ONNX Runtime makes of each case in each form that the bundle holds."""
    golden = load_file(bundle / "golden.safetensors")
    found = {}
    for form in FORMS:
        encoder = graph(bundle, "encoder", form)
        decoder = graph(bundle, "decoder", form)
        if encoder is None:
            continue
        for case in CASES:
            seen = {name: golden[f"{case}.{name}"] for name in ("patches", "positions")}
            (tokens,) = encoder.run(["tokens"], seen)
            found[f"{case}.{form}.tokens"] = tokens
            if decoder is not None:
                hidden = {"tokens": tokens, "restore": golden[f"{case}.restore"]}
                (painted,) = decoder.run(["patches"], hidden)
                found[f"{case}.{form}.painted"] = painted
    return found


def main() -> None:
    """Reads the arguments and writes the answers."""
    if len(sys.argv) != 3:
        sys.exit("usage: python onnxruntime_answers.py BUNDLE ANSWERS")
    save_file(answers(Path(sys.argv[1])), sys.argv[2])


if __name__ == "__main__":
    main()
