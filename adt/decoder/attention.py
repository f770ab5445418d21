"""Strokes judged by attention over the whole song.

Trees (`adt.decoder.trees`) see one peak at a time, and of the others only what was counted
beforehand. A transformer (Vaswani et al., "Attention is all you need", 2017) reads the same numbers
(`adt.decoder.description`) of all peaks at once, and finds for itself which others tell something
of this one: the same place of other bars, strokes that sound alike, what is struck along. How far
apart two peaks are, in seconds and in beats of the song, turns queries and keys (Su et al.,
"RoFormer: enhanced transformer with rotary position embedding", 2021).

The two err in different places, so the decoder believes a mean of their logits.
"""

from __future__ import annotations

from itertools import islice
from typing import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn

from ..errors import ConfigError
from ..frames import FRAME_RATE
from .description import N_FEATURES, Peaks
from .sound import N_SOUND

#: Periods in which time turns pairs of channels of each head: of seconds, and of beats.
_SECONDS, _BEATS = (0.08, 0.25, 0.8, 2.5, 8.0, 25.0), (0.5, 1.0, 2.0, 4.0, 8.0, 3.0)
_PAIRS = len(_SECONDS) + len(_BEATS)
_WINDOW = 4800  #: frames that are read at once, as many as in training
_STEP = 3600  #: from one window to the next
_LIMIT = 5.0  #: deviations of a feature, at most


class _Layer(nn.Module):
    """Attention, then a network for each peak; each adds to what it reads."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout),
                                 nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor],
                present: torch.Tensor, asking: slice = slice(None)) -> torch.Tensor:
        """Those `asking` of the peaks, which attend to all."""
        batch, peaks, width = x.shape
        asked = self.ask(self.before_attention(x)).view(batch, peaks, 3, self.heads, -1)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        query, key = _turned(query, *turn), _turned(key, *turn)
        heard = nn.functional.scaled_dot_product_attention(
            query[:, :, asking], key, value, attn_mask=present[:, None, None, :])
        x = x[:, asking]
        x = x + self.dropout(self.join(heard.transpose(1, 2).reshape(x.shape)))
        return x + self.dropout(self.mlp(self.before_mlp(x)))


def _turned(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """The first channels of each head, in pairs, turned by angles; the others as they are."""
    first, second, rest = x.tensor_split((_PAIRS, 2 * _PAIRS), dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine, rest],
                     dim=-1)


class StrokeTransformer(nn.Module):
    """The chance that each peak of a song is a stroke.

    Parameters
    ----------
    width, hidden : int
        Channels of the layers, and of the network that makes them of the features.
    layers, heads : int
        A head has `width` / `heads` channels, 24 at least.
    dropout : float
    """

    def __init__(self, width: int = 128, hidden: int = 256, layers: int = 3, heads: int = 4,
                 dropout: float = 0.1):
        super().__init__()
        if width % heads or width // heads < 2 * _PAIRS:
            raise ConfigError(f"{width} channels for {heads} heads; a head needs {2 * _PAIRS}")
        self.register_buffer("mean", torch.zeros(N_FEATURES))
        self.register_buffer("scale", torch.ones(N_FEATURES))
        self.register_buffer("seconds", torch.tensor(_SECONDS), persistent=False)
        self.register_buffer("beats", torch.tensor(_BEATS), persistent=False)
        self.enter = nn.Sequential(nn.Dropout(dropout / 2), nn.Linear(N_FEATURES, hidden),
                                   nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width))
        self.layers = nn.ModuleList(_Layer(width, heads, dropout) for _ in range(layers))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def forward(self, features: torch.Tensor, frames: torch.Tensor, beat: torch.Tensor,
                present: torch.Tensor, heard: torch.Tensor | None = None,
                asking: slice = slice(None)) -> torch.Tensor:
        """Peaks → logits of their being strokes.

        Parameters
        ----------
        features : Tensor, shape (batch, peaks, N_FEATURES)
            From `adt.decoder.description.describe`.
        frames : Tensor, shape (batch, peaks)
        beat : Tensor, shape (batch,)
            Length of a beat in frames.
        present : Tensor of bool, shape (batch, peaks)
            False where there is no peak: windows have unlike numbers of them.
        heard : Tensor, shape (batch,), optional
            0 for windows whose peaks are judged without how they sound (`adt.decoder.sound`).
        asking : slice, optional
            Which peaks are judged, in the light of all; all by default.

        Returns
        -------
        Tensor, shape (batch, peaks that ask)
        """
        x = ((features - self.mean) / self.scale).clamp(-_LIMIT, _LIMIT)
        if heard is not None:
            place, sound = x.tensor_split((N_FEATURES - N_SOUND,), dim=-1)
            x = torch.cat([place, sound * heard[:, None, None]], dim=-1)
        x = self.enter(x)
        turns = torch.cat([frames[..., None] / FRAME_RATE / self.seconds,
                           (frames / beat[:, None])[..., None] / self.beats], dim=-1)
        angle = 2 * np.pi * turns[:, None]
        turn = angle.cos(), angle.sin()
        for layer in self.layers[:-1]:
            x = layer(x, turn, present)
        x = self.layers[-1](x, turn, present, asking)
        return self.leave(x)[..., 0]


def in_order(peaks: Sequence[Peaks]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Peaks of all stems in the order of their time.

    Parameters
    ----------
    peaks : sequence of Peaks
        Of each stem.

    Returns
    -------
    order : ndarray of int, shape (n,)
        Index of each among the peaks of all stems, one stem after the other.
    frames : ndarray of int, shape (n,)
    features : ndarray of float32, shape (n, N_FEATURES)
    """
    frames = np.concatenate([p.frames for p in peaks])
    order = np.argsort(frames, kind="stable")
    return order, frames[order], np.concatenate([p.features for p in peaks])[order]


def _windows(frames: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Which peaks are read at once, and which of them are judged, so that each is once."""
    last, start, judged = int(frames[-1]), 0, 0
    while start + _WINDOW < last:
        read = slice(*np.searchsorted(frames, [start, start + _WINDOW]).tolist())
        start += _STEP
        until = int(np.searchsorted(frames, start + (_WINDOW - _STEP) // 2))
        yield read, slice(judged, until)
        judged = until
    end = len(frames)
    yield slice(int(np.searchsorted(frames, last - _WINDOW)), end), slice(judged, end)


def attend(members: Sequence[StrokeTransformer], peaks: Sequence[Peaks],
           mapped: Callable = map) -> list[np.ndarray]:
    """Logits of peaks being strokes, the mean of several transformers.

    Parameters
    ----------
    members : sequence of StrokeTransformer
    peaks : sequence of Peaks
        Of each stem of a song, from `adt.decoder.description.describe`.
    mapped : callable
        In place of ``map``, such as one of several threads.

    Returns
    -------
    list of ndarray, shape (peaks,)
        For each stem.
    """
    order, frames, features = in_order(peaks)
    told = np.zeros(len(frames))
    if len(frames):
        beat = torch.from_numpy(np.array([peaks[0].beat], np.float32))
        windows = [window for window in _windows(frames) if frames[window[1]].size]

        @torch.inference_mode()
        def judge(job: tuple[slice, slice, StrokeTransformer]) -> torch.Tensor:
            read, asking, member = job
            x = torch.from_numpy(features[read])[None]
            at = torch.from_numpy(frames[read] - frames[read.start])[None].float()
            asking = slice(asking.start - read.start, asking.stop - read.start)
            return member(x, at, beat, torch.ones_like(at, dtype=torch.bool),
                          asking=asking)[0]

        judged = iter(mapped(judge, [(*window, m) for window in windows for m in members]))
        for _, asking in windows:
            told[asking] = torch.stack(list(islice(judged, len(members)))).mean(dim=0).numpy()
    back = np.empty(len(frames))
    back[order] = told
    return np.split(back, np.cumsum([len(p.frames) for p in peaks])[:-1])
