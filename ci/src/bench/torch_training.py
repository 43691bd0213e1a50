"""Times training steps of a masked autoencoder in PyTorch: what `cargo ci bench train` compares burn with.

Usage: torch_training.py JSON, where JSON holds the sizes, batch, steps, threads, device and matmul (f32, f16 or bf16).
Prints the samples a second of each timed step, and what a large matrix product comes to, as JSON.
"""

import json
import sys
import time

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, c = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(*qkv.unbind(0))
        x = x + self.proj(mixed.transpose(1, 2).reshape(b, t, c))
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))


class Mae(nn.Module):
    """Encoder over the visible patches, decoder over all; positions are added as fixed numbers."""

    def __init__(self, patch_len: int, encoder: list[int], decoder: list[int]):
        super().__init__()
        (c, depth, heads), (d, decoder_depth, decoder_heads) = encoder, decoder
        self.patch_embed = nn.Linear(patch_len, c)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, c))
        self.blocks = nn.Sequential(*(Block(c, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(c, eps=1e-6)
        self.decoder_embed = nn.Linear(c, d)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, d))
        self.decoder_blocks = nn.Sequential(*(Block(d, decoder_heads) for _ in range(decoder_depth)))
        self.decoder_norm = nn.LayerNorm(d, eps=1e-6)
        self.decoder_pred = nn.Linear(d, patch_len)

    def forward(self, visible, places, decoder_places):
        b, n, _ = visible.shape
        x = self.patch_embed(visible) + places
        x = torch.cat([self.cls_token.expand(b, -1, -1), x], 1)
        x = self.decoder_embed(self.norm(self.blocks(x)))
        m = decoder_places.shape[1] - n
        x = torch.cat([x, self.mask_token.expand(b, m, -1)], 1)
        x = torch.cat([x[:, :1], x[:, 1:] + decoder_places], 1)
        return self.decoder_pred(self.decoder_norm(self.decoder_blocks(x))[:, n + 1 :])


def matmul_flops_per_s(device: str, short: torch.dtype | None) -> float:
    """Of the fastest of a few turns of large matrix products."""
    side, products = (4096, 10) if device == "cuda" else (1536, 1)
    # so that a product's values are as large as its left factor's
    a, b = (torch.randn(side, side, device=device).mul(side**-0.5).to(short or torch.float32) for _ in range(2))
    best = float("inf")
    for _ in range(7):
        started = time.perf_counter()
        last = a
        for _ in range(products):
            last = last @ b
        last[0, 0].item()
        best = min(best, time.perf_counter() - started)
    return products * 2 * side**3 / best


def main():
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(asked["threads"])
    torch.manual_seed(0)
    device = asked["device"]
    short = {"f32": None, "f16": torch.float16, "bf16": torch.bfloat16}[asked["matmul"]]
    b, n, m, patch_len = asked["batch"], asked["visible"], asked["hidden"], asked["patch_len"]
    model = Mae(patch_len, asked["encoder"], asked["decoder"]).to(device)
    # one pass over all parameters, where PyTorch has it
    fused = {"fused": True} if device == "cuda" else {}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.05, **fused)
    scaler = torch.amp.GradScaler(device, enabled=short is torch.float16)
    visible, target = torch.randn(b, n, patch_len, device=device), torch.randn(b, m, patch_len, device=device)
    places = torch.randn(b, n, asked["encoder"][0], device=device)
    decoder_places = torch.randn(b, n + m, asked["decoder"][0], device=device)
    paces = []
    for step in range(asked["steps"] + 1):
        started = time.perf_counter()
        with torch.autocast(device, short or torch.bfloat16, enabled=short is not None):
            predicted = model(visible, places, decoder_places)
        loss = (predicted.float() - target).square().mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        loss.item()
        if step > 0:
            paces.append(b / (time.perf_counter() - started))
    print(json.dumps({"images_per_s": paces, "matmul_flops_per_s": matmul_flops_per_s(device, short)}))


main()
