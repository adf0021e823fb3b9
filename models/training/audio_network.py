"""The audio network: log-mel frames, convolutions over them, a recurrent layer over time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.training.common import Floats
from models.training.fourier import BINS, FFT_SIZE, fourier_basis

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 320
MEL_BANDS, LOWEST_HZ, HIGHEST_HZ = 64, 60.0, 7_600.0
# Added to the mel energies: -70 dB below a full-scale sine, so that digital silence is no outlier.
ENERGY_FLOOR = 1e-3
# Keeps the logarithm of stored energies finite; far below the floor.
SILENCE = 1e-7


def mel_filters() -> Floats:
    """Triangular filters [bins, MEL_BANDS] on the HTK mel scale, 2595 log10(1 + f / 700)."""
    edges_mel = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), MEL_BANDS + 2)
    bins_mel = _mel(np.arange(BINS) * SAMPLE_RATE_HZ / FFT_SIZE)[:, None]
    low, centre, high = edges_mel[:-2], edges_mel[1:-1], edges_mel[2:]
    rising, falling = (bins_mel - low) / (centre - low), (high - bins_mel) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _mel(hertz: Floats | float) -> Floats:
    return np.asarray(2595 * np.log10(1 + np.asarray(hertz) / 700))


class MelPower(nn.Module):
    """float32 samples [n, samples] to the energy in each mel band [n, frames, MEL_BANDS]."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.from_numpy(fourier_basis()))
        self.register_buffer("filters", torch.from_numpy(mel_filters()))

    def forward(self, samples: Tensor) -> Tensor:
        spectrum = nn.functional.conv1d(samples[:, None, :], self.basis, stride=HOP_SAMPLES)
        real, imaginary = spectrum.chunk(2, dim=1)
        power: Tensor = (real**2 + imaginary**2).transpose(1, 2) @ self.filters
        return power


class FrameNetwork(nn.Module):
    """Mel energies [n, frames, MEL_BANDS] to [n, dimension]; this is what is trained.

    Their logarithm has its mean over the window taken away, which makes the result independent of the gain,
    as long as the sound is above the floor.
    """

    def __init__(self, dimension: int, recurrent: int = 64) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            _separable(16, 32, (2, 2)),
            _separable(32, 64, (1, 2)),
            _separable(64, 64, (1, 2)),
        )
        self.recurrent = nn.GRU(64 * 4, recurrent, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear(2 * recurrent, dimension)

    def forward(self, power: Tensor) -> Tensor:
        log_mel = torch.log(power + ENERGY_FLOOR)
        frames = (log_mel - log_mel.mean(dim=(1, 2), keepdim=True)) / 4
        sequence = self.features(frames[:, None]).permute(0, 2, 1, 3).flatten(2)
        states, _ = self.recurrent(sequence)
        result: Tensor = self.out(self.dropout(states.mean(dim=1)))
        return result


def _separable(channels_in: int, channels_out: int, stride: tuple[int, int]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False),
        nn.BatchNorm2d(channels_in),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
