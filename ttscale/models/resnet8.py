"""ResNet-8: the zoo's architecture, a CIFAR-style residual network (He et al. 2016, section 4.2, n = 1) for small
images.

Stages of width w, 2w and 4w, one residual block each. The stem has stride 2, so that a 28 × 28 image is processed at
14, 7 and 4 pixels a side; w alone sets size and cost (multiply-adds grow as about 10⁴ w²).
"""

from __future__ import annotations

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions with batch norm, and a 1 × 1 projection where the shape changes."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and in_channels == out_channels
            else nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def resnet8(width: int, n_classes: int = 10, in_channels: int = 1) -> nn.Sequential:
    """ResNet-8 of a given width: ``float32 [batch, channel, height, width]`` to logits ``[batch, class]``."""
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        ResidualBlock(width, width, 1),
        ResidualBlock(width, 2 * width, 2),
        ResidualBlock(2 * width, 4 * width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, n_classes),
    )
