"""How long PyTorch takes for linear layers in f32 on a GPU: what `cargo ci bench gpu` holds Glimpse's kernels against.

Usage: torch_linear.py JSON, where JSON is a list of [rows, inputs, outputs].
Prints milliseconds of each as a JSON list, or null where PyTorch or its GPU is missing.
"""

import json
import sys

try:
    import torch
except ImportError:
    torch = None

# launched as one, as ours are: a launch of its own would take longer than a small layer
LAYERS = 24
TURNS = 9


def layer_ms(rows: int, inputs: int, outputs: int) -> float:
    x = torch.randn(rows, inputs, device="cuda")
    # a layer's weights come from memory in a frame, since those of all layers are more than a cache holds
    weights = [torch.randn(inputs, outputs, device="cuda") for _ in range(LAYERS)]
    bias = torch.randn(outputs, device="cuda")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for weight in weights[:3]:
            torch.addmm(bias, x, weight)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for weight in weights:
            torch.addmm(bias, x, weight)
    times = []
    for _ in range(TURNS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / LAYERS)
    return sorted(times)[TURNS // 2]


def main():
    if torch is None or not torch.cuda.is_available():
        print("null")
        return
    # f32 as it is, not with the products of ten bits that matrix units take
    torch.backends.cuda.matmul.allow_tf32 = False
    print(json.dumps([layer_ms(*shape) for shape in json.loads(sys.argv[1])]))


main()
