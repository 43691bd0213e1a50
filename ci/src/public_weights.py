"""Checkpoints in the layouts of public weights, and what the libraries that they are for make of them.

usage: python public_weights.py write FOLDER CASE (base|tiny)
       python public_weights.py answer FOLDER CASE QUESTIONS ANSWERS
       python public_weights.py fixtures FOLDER

`write` draws seeded random weights in a real library, saves them the way that public ones are, and prints where. `answer`
loads such a checkpoint, asks it the questions in the safetensors file QUESTIONS (a bundle's golden file will do:
`{question}.patches` and `{question}.positions`), and writes `{question}.tokens` and, where the model has them,
`{question}.painted` and `{question}.logits`. `fixtures` writes the small checkpoints and answers that the tests of
glimpse-export read.
"""

import argparse
import math
import sys
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import Block, PatchEmbed, VisionTransformer
from torch import nn
from transformers import ViTConfig, ViTForImageClassification, ViTMAEConfig, ViTMAEForPreTraining

# Image side, patch side; width, blocks and heads of the encoder; of the decoder; perceptron ratio; classes; shard size.
SIZES = {
    "base": {"image": 224, "patch": 16, "encoder": (768, 12, 12), "decoder": (512, 8, 16), "ratio": 4, "classes": 1000,
             "shard": "150MB"},
    "tiny": {"image": 8, "patch": 2, "encoder": (8, 2, 2), "decoder": (4, 1, 2), "ratio": 2, "classes": 5,
             "shard": "4KB"},
}
# What the layer norms of the original and of timm add to the variance.
EPSILON = 1e-6
ORIGINAL = "model"


class OriginalMae(nn.Module):
    """The original layout: timm's blocks under the original's names."""

    def __init__(self, size: dict, decoder: bool, classes: int):
        super().__init__()
        width, depth, heads = size["encoder"]
        norm = partial(nn.LayerNorm, eps=EPSILON)
        block = partial(Block, mlp_ratio=size["ratio"], qkv_bias=True, norm_layer=norm)
        grid = size["image"] // size["patch"]
        self.patch_embed = PatchEmbed(size["image"], size["patch"], 3, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(table(width, grid), requires_grad=False)
        self.blocks = nn.ModuleList([block(width, heads) for _ in range(depth)])
        if classes:
            self.fc_norm, self.head = norm(width), nn.Linear(width, classes)
        else:
            self.norm = norm(width)
        if decoder:
            inner, depth, heads = size["decoder"]
            self.decoder_embed = nn.Linear(width, inner)
            self.mask_token = nn.Parameter(torch.zeros(1, 1, inner))
            self.decoder_pos_embed = nn.Parameter(table(inner, grid), requires_grad=False)
            self.decoder_blocks = nn.ModuleList([block(inner, heads) for _ in range(depth)])
            self.decoder_norm = norm(inner)
            self.decoder_pred = nn.Linear(inner, size["patch"] ** 2 * 3)


def table(width: int, grid: int) -> torch.Tensor:
    """The paper's table of fixed positions, the class token's row of zeros first: [1, L+1, C]."""
    waves = 10_000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    rows, cols = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    angles = [place.reshape(-1, 1) * waves for place in (cols, rows)]
    places = torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)
    return torch.cat([torch.zeros(1, width), places.float()])[None]


def randomized(model: nn.Module, seed: int, positions: bool) -> nn.Module:
    """Draws every weight anew, so that none is as a library leaves it; positions only if they are trained ones."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "pos" in name and not positions:
                continue
            drawn = torch.randn(weight.shape, generator=generator)
            if weight.dim() >= 2 and "token" not in name and "pos" not in name:
                drawn = drawn / math.sqrt(weight[0].numel())
            else:
                drawn = 0.2 * drawn
            is_scale = "norm" in name and name.endswith("weight")
            weight.copy_(drawn + 1 if is_scale else drawn)
    return model.eval()


def original(size: dict, case: str) -> nn.Module:
    """A model in the original's layout."""
    classes = size["classes"] if case == "original-finetuned" else 0
    model = OriginalMae(size, case == "original-decoder", classes)
    return randomized(model, 1, positions=classes > 0)


def timm_model(size: dict, case: str) -> nn.Module:
    """timm's own model: as an encoder, or with a head on the class token."""
    width, depth, heads = size["encoder"]
    classes = size["classes"] if case == "timm-head" else 0
    model = VisionTransformer(
        img_size=size["image"], patch_size=size["patch"], embed_dim=width, depth=depth, num_heads=heads,
        mlp_ratio=size["ratio"], num_classes=classes, global_pool="token",
    )
    return randomized(model, 2, positions=True)


def hugging_face(size: dict, case: str) -> nn.Module:
    """Hugging Face's own model: for pre-training, or for classification."""
    width, depth, heads = size["encoder"]
    inner, decoder_depth, decoder_heads = size["decoder"]
    shape = {
        "hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": heads,
        "intermediate_size": width * size["ratio"], "image_size": size["image"], "patch_size": size["patch"],
    }
    if case == "hf-classifier":
        names = {i: f"class {i}" for i in range(size["classes"])}
        return randomized(ViTForImageClassification(ViTConfig(**shape, id2label=names)), 4, positions=True)
    config = ViTMAEConfig(
        **shape, decoder_hidden_size=inner, decoder_num_hidden_layers=decoder_depth,
        decoder_num_attention_heads=decoder_heads, decoder_intermediate_size=inner * size["ratio"],
    )
    return randomized(ViTMAEForPreTraining(config), 3, positions=False)


def published(weights: dict) -> dict:
    """Hugging Face's weights under the names that the published ones have."""
    return {name.replace("decoder.decoder_encoder.layer.", "decoder.decoder_layers."): weight.clone()
            for name, weight in weights.items()}


# Where a case's checkpoint lies in the folder, and what makes its model.
CASES = {
    "original-encoder": ("mae_pretrain_vit.pth", original),
    "original-decoder": ("mae_visualize_vit.pth", original),
    "original-finetuned": ("mae_finetuned_vit.pth", original),
    "timm-encoder": ("timm.mae/model.safetensors", timm_model),
    "timm-head": ("timm.head/model.safetensors", timm_model),
    "hf-whole": ("hf-whole", hugging_face),
    "hf-sharded": ("hf-sharded", hugging_face),
    "hf-published": ("hf-published", hugging_face),
    "hf-bf16": ("hf-bf16", hugging_face),
    "hf-classifier": ("hf-classifier", hugging_face),
}


def write_case(folder: Path, size: dict, case: str) -> None:
    """Saves the checkpoint of a case."""
    place, make = CASES[case]
    model, path = make(size, case), folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if case.startswith("original"):
        weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        # Settings stand beside the weights in public files.
        torch.save({ORIGINAL: weights, "args": argparse.Namespace(model="mae_vit", epochs=1), "epoch": 1}, path)
    elif case.startswith("timm"):
        save_file({name: weight.contiguous() for name, weight in model.state_dict().items()}, path)
    elif case == "hf-published":
        model.config.save_pretrained(path)
        model.save_pretrained(folder / "scratch")
        torch.save(published(load_file(folder / "scratch/model.safetensors")), path / "pytorch_model.bin")
        for scratch in sorted((folder / "scratch").iterdir()):
            scratch.unlink()
        (folder / "scratch").rmdir()
    elif case == "hf-sharded":
        model.save_pretrained(path, max_shard_size=size["shard"])
    elif case == "hf-bf16":
        model.to(torch.bfloat16).save_pretrained(path)
    else:
        model.save_pretrained(path)


def loaded(folder: Path, case: str) -> nn.Module:
    """The checkpoint of a case, in the library that it is for."""
    place, make = CASES[case]
    size = next(size for size in SIZES.values() if fits(folder / place, size))
    if case.startswith("hf"):
        # The published names are those of a checkpoint that this library reads as well.
        kind = ViTForImageClassification if case == "hf-classifier" else ViTMAEForPreTraining
        return kind.from_pretrained(folder / place, dtype=torch.float32).eval()
    model = make(size, case)
    if case.startswith("timm"):
        model.load_state_dict(load_file(folder / place))
    else:
        weights = torch.load(folder / place, weights_only=False)[ORIGINAL]
        model.load_state_dict(weights)
    return model.eval()


def fits(path: Path, size: dict) -> bool:
    """Whether a checkpoint is of that size: a base one has hundreds of megabytes."""
    files = path.iterdir() if path.is_dir() else [path]
    return (sum(file.stat().st_size for file in files) > 1 << 24) == (size["image"] > 100)


def image_of(patches: torch.Tensor, positions: torch.Tensor, grid: int, side: int) -> torch.Tensor:
    """The picture [1, 3, H, W] of some of its patches, zero elsewhere."""
    places = torch.zeros(grid * grid, side * side * 3)
    places[positions] = patches
    places = places.reshape(grid, grid, side, side, 3)
    return torch.einsum("ijpqc->cipjq", places).reshape(1, 3, grid * side, grid * side)


def restored(positions: torch.Tensor, places: int) -> torch.Tensor:
    """For each place of the grid, its token's number among the visible ones, or -1."""
    order = torch.full((places,), -1)
    order[positions] = torch.arange(len(positions))
    return order


def encode(model: nn.Module, image: torch.Tensor, positions: torch.Tensor, pos_embed: torch.Tensor) -> torch.Tensor:
    """Blocks of timm over some patches, the class token first: [1, N+1, C]."""
    x = model.patch_embed(image) + pos_embed[:, 1:]
    x = torch.cat([model.cls_token + pos_embed[:, :1], x[:, positions]], dim=1)
    for block in model.blocks:
        x = block(x)
    return model.norm(x) if hasattr(model, "norm") else x


def decode(model: nn.Module, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """The original's decoder, assembled: [1, L, P·P·3]."""
    x = model.decoder_embed(tokens)
    order = restored(positions, model.decoder_pos_embed.shape[1] - 1)
    filled = torch.where((order < 0)[None, :, None], model.mask_token, x[:, 1:][:, order.clamp(min=0)])
    x = torch.cat([x[:, :1], filled], dim=1) + model.decoder_pos_embed
    for block in model.decoder_blocks:
        x = block(x)
    return model.decoder_pred(model.decoder_norm(x))[:, 1:]


def stretched(pos_embed: torch.Tensor, grid: int) -> torch.Tensor:
    """A table of positions for another grid, as the original stretches it."""
    old = math.isqrt(pos_embed.shape[1] - 1)
    if old == grid:
        return pos_embed
    places = pos_embed[:, 1:].reshape(1, old, old, -1).permute(0, 3, 1, 2)
    places = nn.functional.interpolate(places, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([pos_embed[:, :1], places.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def answers_of_hugging_face(model: nn.Module, image: torch.Tensor, positions: torch.Tensor) -> dict:
    """What Hugging Face's model says of the visible patches."""
    if isinstance(model, ViTForImageClassification):
        # It reads whole pictures; of some patches, the same blocks are run one by one.
        x = model.vit.embeddings(image)
        x = torch.cat([x[:, :1], x[:, 1:][:, positions]], dim=1)
        for layer in model.vit.layers:
            x = layer(x)
            x = x[0] if isinstance(x, tuple) else x
        tokens = model.vit.layernorm(x)
        found = {"tokens": tokens[0], "logits": model.classifier(tokens[:, 0])[0]}
        if len(positions) == model.vit.embeddings.position_embeddings.shape[1] - 1:
            whole = model(image).logits[0]
            assert torch.allclose(whole, found["logits"], atol=1e-4), "the library's own answer is another"
        return found
    places = model.vit.embeddings.position_embeddings.shape[1] - 1
    # The patches with the least noise are kept, in its order.
    noise = torch.arange(places)[None] + 1e4
    noise[0, positions] = torch.arange(len(positions), dtype=noise.dtype)
    model.config.mask_ratio = 1 - (len(positions) + 0.5) / places
    hidden = model.vit(image, noise=noise)
    logits = model(image, noise=noise).logits
    return {"tokens": hidden.last_hidden_state[0], "painted": logits[0]}


@torch.no_grad()
def answer(model: nn.Module, questions: dict) -> dict:
    """The answers of a model, by question and kind."""
    found = {}
    for question in sorted({name.split(".")[0] for name in questions}):
        patches, positions = (questions[f"{question}.{kind}"] for kind in ("patches", "positions"))
        side = math.isqrt(patches.shape[1] // 3)
        if isinstance(model, (OriginalMae, VisionTransformer)):
            grid = math.isqrt(model.pos_embed.shape[1] - 1)
            if question == "stretched":
                grid = math.isqrt(int(positions.max()) + 1)
                model.patch_embed.img_size = model.patch_embed.grid_size = None
            image = image_of(patches, positions, grid, side)
            tokens = encode(model, image, positions, stretched(model.pos_embed, grid))
            said = {"tokens": tokens[0]}
            if hasattr(model, "decoder_pred"):
                said["painted"] = decode(model, tokens, positions)[0]
            if isinstance(model, VisionTransformer):
                if model.num_classes:
                    said["logits"] = model.forward_head(tokens)[0]
                if len(positions) == grid * grid:
                    whole = model.forward_features(image)
                    assert torch.allclose(whole, tokens, atol=1e-4), "the library's own answer is another"
            elif hasattr(model, "head"):
                said["logits"] = model.head(model.fc_norm(tokens[:, 1:].mean(dim=1)))[0]
        else:
            grid = model.config.image_size // model.config.patch_size
            image = image_of(patches, positions, grid, side)
            said = answers_of_hugging_face(model, image, positions)
        found.update({f"{question}.{kind}": value.float().contiguous() for kind, value in said.items()})
    return found


def question(seed: int, size: dict, visible: int, image: int) -> dict:
    """Some patches of random pixels, and their places."""
    generator = torch.Generator().manual_seed(seed)
    places = (image // size["patch"]) ** 2
    positions = torch.randperm(places, generator=generator)[:visible].sort().values
    return {"patches": torch.randn(visible, size["patch"] ** 2 * 3, generator=generator), "positions": positions}


class Harmful:
    """An object whose loading would make a file."""

    def __reduce__(self):
        return exec, ("open('harm', 'w')",)


def fixtures(folder: Path) -> None:
    """The small checkpoints of the tests, with questions and right answers."""
    size = SIZES["tiny"]
    places = (size["image"] // size["patch"]) ** 2
    for case in CASES:
        if case in ("original-encoder", "hf-whole"):
            continue  # timm-encoder and hf-sharded hold the same names.
        write_case(folder, size, case)
        asked = {"all": question(5, size, places, size["image"]), "quarter": question(6, size, places // 4, size["image"])}
        if case == "original-finetuned":
            wide = size["image"] * 3 // 2
            asked["stretched"] = question(7, size, (wide // size["patch"]) ** 2, wide)
        asked = {f"{name}.{kind}": value for name, one in asked.items() for kind, value in one.items()}
        save_file(asked | answer(loaded(folder, case), asked), folder / f"{case}.answers.safetensors")
    torch.save({ORIGINAL: {"cls_token": torch.zeros(1, 1, 4)}, "hook": Harmful()}, folder / "harmful.pth")


def main() -> None:
    """Reads the arguments and does as they say."""
    match sys.argv[1:]:
        case ["write", folder, case, size]:
            write_case(Path(folder), SIZES[size], case)
            print(Path(folder) / CASES[case][0])
        case ["answer", folder, case, questions, answers]:
            asked = {name: value for name, value in load_file(questions).items()
                     if name.endswith((".patches", ".positions"))}
            save_file(answer(loaded(Path(folder), case), asked), answers)
        case ["fixtures", folder]:
            fixtures(Path(folder))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
