"""Small ViTs of other libraries as other exporters write them: what the tests of glimpse-runtime run.

usage: python foreign_graphs.py FOLDER

Each model has seeded random weights and is written by PyTorch's two exporters, as `NAME.trace.onnx` and `NAME.dynamo.onnx`.
`answers.safetensors` has an image for each, `NAME.image`, and what PyTorch makes of it, `NAME.answer`.
"""

import sys
from pathlib import Path

import onnx
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from transformers import DeiTConfig, DeiTModel, Dinov2Config, Dinov2Model

SIZES = {"image_size": 16, "patch_size": 4, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}


class First(torch.nn.Module):
    """The first output of a model of many."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.model(image)[0]


def models() -> dict[str, torch.nn.Module]:
    return {
        "timm-vit": VisionTransformer(
            img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=3, mlp_ratio=2, num_classes=5
        ),
        "deit": First(DeiTModel(DeiTConfig(**SIZES, intermediate_size=48), add_pooling_layer=False)),
        "dinov2": First(Dinov2Model(Dinov2Config(**SIZES, mlp_ratio=2))),
    }


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    answers = {}
    for name, model in models().items():
        model.eval()
        for weight in model.parameters():
            torch.nn.init.normal_(weight, 0.1, 0.3)
        image = torch.randn(1, 3, 16, 16)
        answers[f"{name}.image"] = image
        answers[f"{name}.answer"] = model(image).detach().contiguous()
        trace, dynamo = (folder / f"{name}.{exporter}.onnx" for exporter in ("trace", "dynamo"))
        torch.onnx.export(model, (image,), trace, dynamo=False, input_names=["image"], opset_version=17)
        torch.onnx.export(
            model, (image,), dynamo, dynamo=True, input_names=["image"], opset_version=18, external_data=False
        )
        # where each node stood in somebody's Python files
        written = onnx.load(dynamo)
        for node in written.graph.node:
            del node.metadata_props[:]
        onnx.save(written, dynamo)
    save_file(answers, folder / "answers.safetensors")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
