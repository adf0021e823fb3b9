"""Sound: Audio Spectrogram Transformers, with their spectrogram in the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.encoders.encoder import Samples, Vectors
from models.errors import ExportError
from models.export.graph import OUTPUT, export_graph
from models.export.hf import load_model
from models.export.options import only
from models.export.prepared import Prepared
from models.export.source import ModelFolder

MODEL_TYPE = "audio-spectrogram-transformer"

_INPUT = "samples"
# As transformers' ASTFeatureExtractor, which follows Kaldi: frames of 25 ms, one each 10 ms, at 16 kHz.
_FRAME_SAMPLES, _HOP_SAMPLES, _FFT_SIZE = 400, 160, 512
_PREEMPHASIS = 0.97
_LOWEST_HZ = 20.0
_ENERGY_FLOOR = 1.192092955078125e-07
_RATE_HZ = 16_000


def prepare_audio(source: ModelFolder, options: Mapping[str, Any]) -> Prepared:
    """An Audio Spectrogram Transformer, from samples on.

    Args:
        source: Its folder, with a ``preprocessor_config.json``.
        options: ``hop_samples`` (a window's length where left out) and ``max_windows``.

    Raises:
        ExportError: It cannot be exported; the message says why.
    """
    from transformers import ASTFeatureExtractor

    only(options, ("hop_samples", "max_windows"), "audio")
    if source.model_type != MODEL_TYPE:
        raise ExportError(
            f"{source.folder} is of the architecture {source.model_type}; for sound, {MODEL_TYPE} is "
            "exported. "
            "Others can be brought as an ONNX file that takes samples."
        )
    if source.json("preprocessor_config.json") is None:
        raise ExportError(
            f"{source.folder} has no preprocessor_config.json, which says how sound is normalised."
        )
    try:
        extractor = ASTFeatureExtractor.from_pretrained(source.folder, local_files_only=True)
    except Exception as error:  # whatever reading its configuration raises
        raise ExportError(f"{source.folder}/preprocessor_config.json cannot be used: {error}") from error
    if extractor.sampling_rate != _RATE_HZ:
        raise ExportError(
            f"{source.folder} takes sound of {extractor.sampling_rate} Hz; {_RATE_HZ} Hz is exported."
        )
    model, _ = load_model(source)
    frames = int(model.config.max_length)
    if (extractor.max_length, extractor.num_mel_bins) != (frames, model.config.num_mel_bins):
        raise ExportError(
            f"{source.folder}: preprocessor_config.json makes {extractor.max_length} frames of "
            f"{extractor.num_mel_bins} bands, config.json takes {frames} of {model.config.num_mel_bins}."
        )
    window = _FRAME_SAMPLES + (frames - 1) * _HOP_SAMPLES
    spectrogram = _Spectrogram(extractor, frames)
    example = torch.rand(2, window, generator=torch.Generator().manual_seed(0)) - 0.5
    graph, dimension = export_graph(_SoundTower(spectrogram, model), (example,), (_INPUT,), (("batch",),))

    def reference(clips: Sequence[Samples]) -> Vectors:
        rows = []
        for clip in clips:
            if len(clip) > window:
                raise ExportError(f"a clip to compare on may have {window} samples, this one has {len(clip)}")
            values = extractor(clip, sampling_rate=_RATE_HZ, return_tensors="pt")["input_values"]
            with torch.no_grad():
                rows.append(model(values.float()).pooler_output[0].numpy())
        return np.stack(rows)

    return Prepared(
        modality="audio",
        graph=graph,
        inputs=(_INPUT,),
        output=OUTPUT,
        dimension=dimension,
        preprocessing={"sample_rate_hz": _RATE_HZ, "window_samples": window, "hop_samples": window}
        | dict(options),
        reference=reference,
    )


class _SoundTower(nn.Module):
    def __init__(self, spectrogram: nn.Module, model: Any) -> None:
        super().__init__()
        self.spectrogram = spectrogram
        self.model = model

    def forward(self, samples: Tensor) -> Tensor:
        found: Tensor = self.model(self.spectrogram(samples)).pooler_output
        return found


class _Spectrogram(nn.Module):
    """Samples [n, window] to what `ASTFeatureExtractor` makes of them, [n, frames, bands].

    What a frame goes through before its energies are taken is linear: its mean is taken away, each
    sample loses a share of the one before (pre-emphasis), it is weighted by a Hann window, and
    transformed (DFT). So all of it is one convolution. Frames that reach into the silence with which a
    short sound is filled up are filling, as the extractor fills spectrograms: zeros, before they are
    normalised.
    """

    def __init__(self, extractor: Any, frames: int) -> None:
        super().__init__()
        self.register_buffer("basis", torch.from_numpy(frame_basis()))
        self.register_buffer("filters", torch.from_numpy(mel_filters(extractor.num_mel_bins)))
        ends = torch.arange(frames) * _HOP_SAMPLES + _FRAME_SAMPLES
        self.register_buffer("ends", ends.float())
        self.register_buffer("places", torch.arange(1, int(ends[-1]) + 1).float())
        self.mean: float = extractor.mean if extractor.do_normalize else 0.0
        self.divisor: float = 2 * extractor.std if extractor.do_normalize else 1.0

    def forward(self, samples: Tensor) -> Tensor:
        spectrum = nn.functional.conv1d(samples[:, None, :], self.basis, stride=_HOP_SAMPLES)
        real, imaginary = spectrum.chunk(2, dim=1)
        energies = (real**2 + imaginary**2).transpose(1, 2) @ self.filters
        bands = torch.log(torch.clamp(energies, min=_ENERGY_FLOOR))
        length = ((samples != 0).float() * self.places).amax(dim=1, keepdim=True)
        filled = (self.ends <= length)[:, :, None].float() * bands
        return (filled - self.mean) / self.divisor


def frame_basis() -> NDArray[np.float32]:
    """All that is linear in a frame's way to its spectrum, float32 [2 · 257, 1, 400].

    Real parts, then imaginary ones.
    """
    size = _FRAME_SAMPLES
    centre = np.eye(size) - 1 / size
    emphasis = np.eye(size) - _PREEMPHASIS * np.eye(size, k=-1)
    emphasis[0, 0] = 1 - _PREEMPHASIS
    window = np.hanning(size)[:, None]
    angles = 2 * np.pi * np.outer(np.arange(_FFT_SIZE // 2 + 1), np.arange(size)) / _FFT_SIZE
    transform = np.concatenate([np.cos(angles), -np.sin(angles)])
    return (transform @ (window * (emphasis @ centre)))[:, None, :].astype(np.float32)


def mel_filters(bands: int) -> NDArray[np.float32]:
    """Triangular filters float32 [257, bands], triangles on Kaldi's mel scale, 1127 ln(1 + f / 700)."""
    from transformers.audio_utils import mel_filter_bank

    found = mel_filter_bank(
        num_frequency_bins=_FFT_SIZE // 2 + 1,
        num_mel_filters=bands,
        min_frequency=_LOWEST_HZ,
        max_frequency=_RATE_HZ / 2,
        sampling_rate=_RATE_HZ,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    return np.asarray(found, np.float32)
