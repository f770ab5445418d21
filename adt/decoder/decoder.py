"""The decoder: strokes judged in the light of the whole song.

The detectors hear ten seconds and judge each stroke by itself, and what they are unsure of differs
from song to song far more than within one. Hats buried under guitars have small peaks, but many,
in steady time; hats that nobody played may have larger ones, but only where a snare is struck.
So every peak of a stem's activation is described by numbers (`adt.decoder.description`), and
gradient-boosted trees (Friedman, "Greedy function approximation: a gradient boosting machine",
2001) make of them the chance that the peak is a stroke. So do transformers that read all peaks
at once (`adt.decoder.attention`); a mean of the logits counts. Other trees tell rides from crashes
(`adt.decoder.cymbals`).

Both learned from what the detectors hear in renders, with the peaks of every stem raised or
lowered at random, and with strokes that move or leak into other stems (`adt.training.decoder`):
they must go by how peaks compare with each other and by when they come, not by how high they are.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from ..network import in_parallel, workers
from ..peaks import SECOND_THRESHOLD
from ..vocabulary import STEM_COLUMNS, STEMS
from .attention import StrokeTransformer, attend
from .cymbals import CYMBALS
from .description import NEAR, Peaks, describe
from .trees import Trees

KINDS = ("stems", "mixture")  #: what the detectors read, for each of which there are judges
_SONG = 30_000  #: frames that are judged as one song, about
_QUIET = 200  #: frames either side in which a quiet place to cut is looked for
#: Share of the transformers in the logits, for each stem. Strokes on toms are too rare for them.
_SHARES = {"kick": 0.5, "snare": 0.5, "toms": 0.25, "hihat": 0.5, "cymbals": 0.5}
#: Where a stem has several strokes, of which the detectors think no two as probable as this in the
#: whole song, they are those of something else, however well they keep time (tambourines, beeps).
_CONVINCING, _SEVERAL = 0.5, 4
_REACH = 2  #: frames either side of a peak that belong to it


class Decoder(nn.Module):
    """Boosted trees and transformers that judge peaks, and trees that tell rides from crashes.

    Of each there are two sets: with demixing (``stems``) and without (``mixture``).

    Parameters
    ----------
    strokes, cymbals : dict
        Parameters of `adt.decoder.trees.Trees`.
    attention : dict, optional
        ``members``, how many transformers, and the parameters of each
        (`adt.decoder.attention.StrokeTransformer`). Without it the trees judge alone.
    """

    def __init__(self, strokes: dict, cymbals: dict, attention: dict | None = None):
        super().__init__()
        self.strokes = nn.ModuleDict({kind: Trees(**strokes) for kind in KINDS})
        self.cymbals = nn.ModuleDict({kind: Trees(**cymbals) for kind in KINDS})
        self.attention = None
        if attention:
            shape = {name: value for name, value in attention.items() if name != "members"}
            self.attention = nn.ModuleDict({
                kind: nn.ModuleList(StrokeTransformer(**shape)
                                    for _ in range(attention["members"])) for kind in KINDS})


def songs(onset: np.ndarray) -> list[slice]:
    """Cut frames into about equal parts that are judged as one song each, where nothing sounds.

    Parameters
    ----------
    onset : ndarray, shape (frames, 9)
    """
    from scipy.ndimage import maximum_filter1d

    parts = max(1, -(-len(onset) // _SONG))
    edges = np.linspace(0, len(onset), parts + 1).round().astype(int).tolist()
    for i, edge in enumerate(edges[1:-1], 1):
        low, high = max(0, edge - _QUIET), min(len(onset), edge + _QUIET)
        busy = maximum_filter1d(onset[low:high].max(axis=1), 2 * NEAR + 1, mode="nearest")
        edges[i] = low + int(busy.argmin())
    return [slice(*edge) for edge in zip(edges, edges[1:])]


def decode(network: Decoder, onset: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Onset activations of a song, judged again.

    Parameters
    ----------
    network : Decoder
        On the CPU.
    onset : ndarray, shape (frames, 9)
        Of the detectors, 0..1, of a whole song.
    level : ndarray, shape (frames, 6 or 1, GROUPS)
        From `adt.levels.levels`: of stems and mixture if the detectors read stems, or of the
        mixture.

    Returns
    -------
    ndarray of float32, shape (frames, 9)
        Peaks are as high as they are probably strokes; between them there is nothing. The
        pieces of a stem keep their shares, but for ride and crash. Where of several strokes of a
        stem one at most convinced the detectors, the others stay below what the second-highest
        peak is to them.
    """
    from scipy.special import expit

    kind, out = KINDS[level.shape[1] == 1], np.zeros(onset.shape, np.float32)
    strokes, tops = np.zeros(len(STEMS), int), [[] for _ in STEMS]
    for part in songs(onset):
        described = describe(onset[part], level[part])
        logits = _judged(network, kind, described)
        for stem, (columns, peaks) in enumerate(zip(STEM_COLUMNS, described)):
            heights = onset[part][:, columns]
            if stem == CYMBALS:
                heights = _divided(network.cymbals[kind], heights, peaks)
            strokes[stem] += (logits[stem] > 0).sum()
            tops[stem].append(peaks.chances)
            told = expit(logits[stem]) / peaks.chances
            out[part, columns] = heights * _spread(peaks.frames, told, len(heights))[:, None]
    out = np.minimum(out, 1.0)
    for columns, found, heights in zip(STEM_COLUMNS, strokes, tops):
        if found >= _SEVERAL:
            second = np.partition(np.concatenate(heights), -2)[-2]
            if second < _CONVINCING:  # the best may be right all the same
                alone = onset[:, columns].sum(axis=1, keepdims=True) >= _CONVINCING
                out[:, columns] *= np.where(alone, 1.0, second)
    return out


def _judged(network: Decoder, kind: str, described: list[Peaks]) -> list[np.ndarray]:
    """Logits of the peaks of each stem: of trees, and of transformers if there are any."""
    with workers(torch.device("cpu")) as pool:
        trees = pool.submit(lambda: [network.strokes[kind](p.features) for p in described])
        if network.attention is None:
            return trees.result()
        attended = attend(network.attention[kind], described, partial(in_parallel, pool=pool))
        return [told + _SHARES[stem] * (seen - told)
                for stem, told, seen in zip(STEMS, trees.result(), attended)]


def _spread(frames: np.ndarray, values: np.ndarray, length: int) -> np.ndarray:
    """Values of peaks for all frames that belong to them, 0 elsewhere."""
    result = np.zeros(length)
    for shift in sorted(range(-_REACH, _REACH + 1), key=lambda k: -abs(k)):
        at = frames + shift
        inside = (at >= 0) & (at < length)
        result[at[inside]] = values[inside]
    return result


def _divided(trees: Trees, heights: np.ndarray, peaks: Peaks) -> np.ndarray:
    """Activations of ride and crash, shape (frames, 2), divided anew, but where both are sure."""
    from scipy.special import expit

    crash = expit(trees(np.column_stack([peaks.features, peaks.division])))
    crash = _spread(peaks.frames, crash, len(heights))[:, None]
    divided = np.minimum(1.0, heights.sum(axis=1, keepdims=True)) * np.hstack([1 - crash, crash])
    return np.where((heights >= SECOND_THRESHOLD).all(axis=1, keepdims=True), heights, divided)
