"""The image network: depthwise-separable convolutions, with a residual where the shape stays."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# (channels, stride) of each block
BLOCKS = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2), (256, 1), (256, 1))


class SeparableBlock(nn.Module):
    """Depthwise 3x3, pointwise 1x1, each with batch norm and ReLU; a residual where the shape stays."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False),
            nn.BatchNorm2d(channels_in),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )
        self.residual = channels_in == channels_out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class ImageNetwork(nn.Module):
    """uint8 or float pixels [n, size, size, 3] in 0..255 to [n, dimension]."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        channels = 24
        layers: list[nn.Module] = [
            nn.Conv2d(3, channels, 3, 2, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        for channels_out, stride in BLOCKS:
            layers.append(SeparableBlock(channels, channels_out, stride))
            channels = channels_out
        self.features = nn.Sequential(*layers)
        self.out = nn.Linear(channels, dimension)

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels.to(torch.float32).permute(0, 3, 1, 2) / 127.5 - 1
        features: Tensor = self.features(x)
        result: Tensor = self.out(features.mean(dim=(2, 3)))
        return result
