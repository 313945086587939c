"""Fusion of aligned features of several frames (STPL, section 3.1 and appendix A1)."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class AddFusion(nn.Module):
    """Element-wise addition: (N, T, C, h, w) to (N, C, h, w)."""

    def __init__(self, in_channels: int, num_frames: int = 2) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.out_channels = in_channels

    def forward(self, features: Tensor) -> Tensor:
        return features.sum(1)


@MODELS.register_module()
class ConcatFusion(nn.Module):
    """Concatenation over channels: (N, T, C, h, w) to (N, T*C, h, w)."""

    def __init__(self, in_channels: int, num_frames: int = 2) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.out_channels = num_frames * in_channels

    def forward(self, features: Tensor) -> Tensor:
        return features.flatten(1, 2)


@MODELS.register_module()
class ConvFusion(nn.Module):
    """Learned 1x1 convolution over the frames' channels: (N, T, C, h, w) to (N, C, h, w)."""

    def __init__(self, in_channels: int, num_frames: int = 2) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.conv = nn.Conv2d(num_frames * in_channels, in_channels, 1)
        self.out_channels = in_channels

    def forward(self, features: Tensor) -> Tensor:
        return self.conv(features.flatten(1, 2))


@MODELS.register_module()
class STAM(nn.Module):
    """Spatio-temporal attention module (STPL, equations 5 to 7).

    With ``z'`` the aligned features and ``u = A_tem(z') * z'``, equation 5 reads
    ``z = A_spa(u) * u + z'``. The paper does not give sizes; our choice: both attentions pool
    over all dimensions except the one that they weight, the fully connected layer (6) is one T x T
    layer shared by both poolings, the convolution (7) is 7x7 as in CBAM, and the result keeps T x C
    channels, flattened for the projection head.

    Shapes: (N, T, C, h, w) to (N, T*C, h, w).

    Raises:
        ValueError: If `kernel_size` is even or negative, or there are less than two frames.
    """

    def __init__(self, in_channels: int, num_frames: int = 2, kernel_size: int = 7) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 != 1:
            raise ValueError(f'STAM: kernel_size={kernel_size} must be odd and positive.')
        if num_frames < 2:
            raise ValueError(f'STAM: num_frames={num_frames} must be 2 or more.')
        self.num_frames = num_frames
        self.fc = nn.Linear(num_frames, num_frames)
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2)
        self.out_channels = num_frames * in_channels

    def temporal_attention(self, features: Tensor) -> Tensor:
        """Equation 6: (N, T, C, h, w) to (N, T, 1, 1, 1)."""
        pooled = features.flatten(2)
        attention = torch.sigmoid(self.fc(pooled.mean(2)) + self.fc(pooled.amax(2)))
        return attention[:, :, None, None, None]

    def spatial_attention(self, features: Tensor) -> Tensor:
        """Equation 7: (N, T, C, h, w) to (N, 1, 1, h, w)."""
        pooled = torch.stack([features.mean((1, 2)), features.amax((1, 2))], dim=1)
        return torch.sigmoid(self.conv(pooled))[:, None]

    def forward(self, features: Tensor) -> Tensor:
        weighted = self.temporal_attention(features) * features
        return (self.spatial_attention(weighted) * weighted + features).flatten(1, 2)
