"""The decoder: strokes judged in the light of the whole song.

The detectors hear ten seconds and judge each stroke by itself, and what they are unsure of differs
from song to song far more than within one. Hats buried under guitars have small peaks, but many,
in steady time; hats that nobody played may have larger ones, but only where a snare is struck.
So every peak of a stem's activation is described by numbers (`describe`): how high it is, and how
high the other peaks of its stem are; what else is struck at once, and how often that is so; whether
its stem was struck one beat, two, a bar earlier and later. Gradient-boosted trees (Friedman,
"Greedy function approximation: a gradient boosting machine", 2001) make of them the chance that
the peak is a stroke.

The trees learned from what the detectors hear in renders, with the peaks of every stem raised or
lowered at random, and with strokes that move or leak into other stems (`adt.training.decoder`):
they must go by how peaks compare with each other and by when they come, not by how high they are.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .frames import FRAME_RATE
from .peaks import stem_peaks
from .vocabulary import STEM_COLUMNS, STEMS

FAINTEST = 0.02  #: activation of a peak that may be a stroke
_SONG = 30_000  #: frames that are judged as one song, about
_QUIET = 200  #: frames either side in which a quiet place to cut is looked for
_NEAR = 3  #: frames either side that count as the same time
_REACH = 2  #: frames either side of a peak that belong to it
_NOTHING = -9.0  #: logit of no activation at all
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_BEAT = (25, 100)  #: frames: shortest and longest beat that is looked for
_LONGEST = 500  #: frames of the longest lag
_LAGS = (0.5, 1, 2, 4)  #: beats
_ROWS = 4096  #: peaks that go through the trees at a time


def logit(chance):
    """Log of the odds, of chances kept away from 0 and 1."""
    chance = np.clip(chance, 1e-4, 1 - 1e-4)
    return np.log(chance / (1 - chance))


def _lags(total: np.ndarray) -> list[int]:
    """Half a beat, a beat, two and four, in frames: lags at which the song is like itself."""
    deviation, n = total - total.mean(), len(total)
    power = np.abs(np.fft.rfft(deviation, 2 * n)) ** 2
    alike = np.zeros(_LONGEST)
    found = np.fft.irfft(power)[:min(n, _LONGEST)] / np.arange(n, max(0, n - _LONGEST), -1)
    alike[:len(found)] = found
    beats = np.arange(*_BEAT)
    usual = np.exp(-0.5 * (np.log2(beats / 50) / 0.6) ** 2)
    beat = beats[np.argmax(alike[beats] * usual)]
    lags = []
    for factor in _LAGS:
        slack = max(2, int(beat * factor * 0.03))
        low = max(6, int(beat * factor - slack))
        lags.append(low + int(np.argmax(alike[low:int(beat * factor + slack + 1)])))
    return lags


def _expected_f(chances: np.ndarray) -> float:
    """The best F-measure to be expected if activations are probabilities."""
    if len(chances) == 0:
        return 0.0
    right = np.cumsum(np.sort(chances)[::-1])
    return float((2 * right / (np.arange(1, len(right) + 1) + right[-1])).max())


def _of_stem(height: np.ndarray, chance: np.ndarray, seconds: float) -> np.ndarray:
    """What the peaks of a stem are like in this song: heights, and how many a second."""
    quantiles = np.quantile(height, _QUANTILES) if len(height) else np.full(5, -5.0)
    counts = [np.log1p((chance > level).sum() / seconds) for level in (0.05, 0.1, 0.3, 0.5)]
    return np.array([*quantiles, *counts, np.log1p(chance.sum() / seconds),
                     (chance ** 2).sum() / max(1e-6, chance.sum())])


def _company(near: np.ndarray, stem: int, height: np.ndarray) -> list[np.ndarray]:
    """Peaks of the stem that have the same others beside them: their mean height and number."""
    others = (near > 0.3) & (np.arange(len(STEMS)) != stem)
    kind = others @ (2 ** np.arange(len(STEMS)))
    mean, count = np.full(len(height), -5.0), np.zeros(len(height))
    for value in np.unique(kind):
        mine = kind == value
        n = mine.sum()
        if n > 1:
            mean[mine] = (height[mine].sum() - height[mine]) / (n - 1)
        count[mine] = np.log1p(n - 1)
    return [mean, count, height - mean]


def _repetition(frames: np.ndarray, near: np.ndarray, lags: list[int]) -> list[np.ndarray]:
    """Was the stem struck some lags before and after? Mean, most, and the two neighbours."""
    columns, n = [], len(near)
    for lag in lags:
        places = frames[:, None] + lag * np.array([-4, -3, -2, -1, 1, 2, 3, 4])
        inside = (places >= 0) & (places < n)
        values = np.where(inside, near[np.clip(places, 0, n - 1)], 0.0)
        mean = values.sum(axis=1) / np.maximum(1, inside.sum(axis=1))
        columns += [logit(mean), logit(values.max(axis=1)), logit(values[:, 3:5].min(axis=1)),
                    logit(values[:, 3:5].max(axis=1))]
    return columns


def _spacing(frames: np.ndarray, height: np.ndarray, total: np.ndarray) -> list[np.ndarray]:
    """How far the neighbours are, and how much higher the highest of them."""
    from scipy.ndimage import maximum_filter1d

    peaks = np.full(len(total), _NOTHING)
    peaks[frames] = height
    columns = [np.log(np.diff(frames, prepend=frames[0] - 200)),
               np.log(np.diff(frames, append=frames[-1] + 200))]
    columns += [maximum_filter1d(peaks, 2 * w + 1)[frames] - height for w in (6, 12, 25)]
    return [*columns, logit(maximum_filter1d(total, 801)[frames])]


def describe(onset: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Numbers that describe the peaks of each stem within their song.

    Parameters
    ----------
    onset : ndarray, shape (frames, 9)
        Onset activations, 0..1.

    Returns
    -------
    list of (frames, chances, features)
        For each stem: where its activation has a peak, how high that is, and what describes
        it, shape (peaks, `N_FEATURES`).
    """
    from scipy.ndimage import maximum_filter1d

    stems, seconds = range(len(STEMS)), max(1, len(onset)) / FRAME_RATE
    if len(onset) < 2:
        return [(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, N_FEATURES), np.float32))
                for _ in stems]
    found = [stem_peaks(onset, columns, FAINTEST) for columns in STEM_COLUMNS]
    total, frames = np.stack([t for t, _ in found], axis=1), [f for _, f in found]
    near = maximum_filter1d(total, 2 * _NEAR + 1, axis=0)
    lags = _lags(total.sum(axis=1))
    chances = [total[f, s].astype(np.float64) for s, f in enumerate(frames)]
    heights = [logit(c) for c in chances]
    stem_of = np.stack([_of_stem(heights[s], chances[s], seconds) for s in stems])
    # of the strokes of each stem, the share at which another is struck, and how surely
    weight = [c / max(0.3, c.sum()) for c in chances]
    struck = np.stack([weight[s] @ (near[frames[s]] > 0.3) for s in stems])
    surely = np.stack([weight[s] @ near[frames[s]] for s in stems])
    common = [*stem_of[:, [2, 7, 9]].ravel(), _expected_f(np.concatenate(chances)), lags[1]]
    result = []
    for s in stems:
        n, height = len(frames[s]), heights[s]
        if n == 0:
            result.append((frames[s], chances[s], np.zeros((0, N_FEATURES), np.float32)))
            continue
        beside = logit(near[frames[s]])
        beside[:, s] = _NOTHING
        pieces = onset[frames[s]][:, STEM_COLUMNS[s]]
        fixed = [*stem_of[s], *common, *struck[s], *struck[:, s], *surely[s],
                 *np.eye(len(STEMS))[s]]
        columns = [
            height, pieces.max(axis=1) / np.maximum(1e-6, pieces.sum(axis=1)),
            pieces.argmax(axis=1), np.argsort(np.argsort(height)) / max(1, n - 1), beside,
            *_company(near[frames[s]], s, height), *_repetition(frames[s], near[:, s], lags),
            *_spacing(frames[s], height, total[:, s]), np.tile(fixed, (n, 1))]
        result.append((frames[s], chances[s], np.column_stack(columns).astype(np.float32)))
    return result


N_FEATURES = 82


class Decoder(nn.Module):
    """Chances of strokes from `describe`, with demixing or without: boosted trees.

    Parameters
    ----------
    trees : int
    nodes : int
        Of the largest tree. A leaf is its own left and right branch.
    depth : int
        Of the deepest leaf.
    """

    def __init__(self, trees: int = 200, nodes: int = 61, depth: int = 12):
        super().__init__()
        self.depth = depth
        for kind in ("stems", "mixture"):
            for name in ("feature", "threshold", "left", "right", "value"):
                self.register_buffer(f"{kind}_{name}", torch.zeros(trees, nodes))
            self.register_buffer(f"{kind}_base", torch.zeros(1))

    def forward(self, x: torch.Tensor, demix: bool) -> torch.Tensor:
        """Logits, shape (n,), of features, shape (n, N_FEATURES)."""
        kind = "stems" if demix else "mixture"
        feature, left, right = (getattr(self, f"{kind}_{name}").long().flatten()
                                for name in ("feature", "left", "right"))
        threshold, value = (getattr(self, f"{kind}_{name}").flatten()
                            for name in ("threshold", "value"))
        trees, nodes = getattr(self, f"{kind}_value").shape
        first = torch.arange(trees, device=x.device) * nodes
        told = []
        for rows in x.split(_ROWS):
            node = first.expand(len(rows), -1)
            for _ in range(self.depth):
                lower = rows.gather(1, feature[node]) <= threshold[node]
                node = first + torch.where(lower, left[node], right[node])
            told.append(value[node].double().sum(dim=1) + getattr(self, f"{kind}_base").double())
        return torch.cat(told) if told else x.new_zeros(0)


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
        busy = maximum_filter1d(onset[low:high].max(axis=1), 2 * _NEAR + 1, mode="nearest")
        edges[i] = low + int(busy.argmin())
    return [slice(*edge) for edge in zip(edges, edges[1:])]


@torch.inference_mode()
def decode(network: Decoder, onset: np.ndarray, demix: bool) -> np.ndarray:
    """Onset activations of a song, judged again.

    Parameters
    ----------
    network : Decoder
        On the CPU.
    onset : ndarray, shape (frames, 9)
        Of the detectors, 0..1, of a whole song.
    demix : bool
        Whether they read stems.

    Returns
    -------
    ndarray of float32, shape (frames, 9)
        Peaks are as high as they are probably strokes; between them there is nothing. The
        pieces of a stem keep their shares.
    """
    out = np.zeros(onset.shape, np.float32)
    for part in songs(onset):
        described = describe(onset[part])
        for columns, (frames, chances, features) in zip(STEM_COLUMNS, described):
            told = network(torch.from_numpy(features), demix).sigmoid().numpy()
            factor = np.zeros(part.stop - part.start)
            for shift in sorted(range(-_REACH, _REACH + 1), key=lambda k: -abs(k)):
                at = frames + shift
                inside = (at >= 0) & (at < len(factor))
                factor[at[inside]] = (told / chances)[inside]
            out[part, columns] = onset[part][:, columns] * factor[:, None]
    return np.minimum(out, 1.0)
