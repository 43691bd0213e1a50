"""Other forms of a bundle's int8 graphs."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with its int8 weights as f32 constants."""
    graph = model.graph
    constants = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "DequantizeLinear"]:
        codes, scale, _ = (constants[name] for name in node.input)
        graph.initializer.append(numpy_helper.from_array(codes * scale.astype(np.float32), node.output[0]))
        graph.node.remove(node)
    read = {name for node in graph.node for name in node.input}
    for constant in [constant for constant in graph.initializer if constant.name not in read]:
        graph.initializer.remove(constant)
    return model


def dynamic(model: onnx.ModelProto, file: Path) -> None:
    """Writes ONNX Runtime's int8 of an f32 graph whose activations are quantized as they come.

    Weights that had been int8 get the codes again that they had: the largest of a column is 127 in both.
    """
    quantize_dynamic(model, file, weight_type=QuantType.QInt8, per_channel=True)
