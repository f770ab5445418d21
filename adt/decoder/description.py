"""What describes a stroke within its song.

Every peak of a stem's activation is described by numbers: how high it is, and how high the other
peaks of its stem are; what else is struck at once, and how often that is so; whether its stem was
struck one beat, two, a bar earlier and later; and how it sounds beside the other strokes
(`adt.decoder.sound`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..frames import FRAME_RATE
from ..peaks import beats_away, stem_peaks
from ..ranks import ranks
from ..vocabulary import STEM_COLUMNS, STEMS
from .cymbals import CYMBALS, N_CYMBALS, describe_cymbals
from .sound import N_SOUND, describe_sound

FAINTEST = 0.02  #: activation of a peak that may be a stroke
NEAR = 3  #: frames either side that count as the same time
_NOTHING = -9.0  #: logit of no activation at all
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_BEAT = (25, 100)  #: frames: shortest and longest beat that is looked for
_LONGEST = 500  #: frames of the longest lag
_LAGS = (0.5, 1, 2, 4)  #: beats


class Peaks(NamedTuple):
    """Peaks of a stem's activation.

    Attributes
    ----------
    frames : ndarray of int, shape (n,)
    chances : ndarray, shape (n,)
        How high they are, 0..1.
    features : ndarray of float32, shape (n, `N_FEATURES`)
        What describes them.
    division : ndarray of float32, shape (n, N_CYMBALS), or None
        Of cymbals, what tells rides from crashes (`adt.decoder.cymbals`).
    beat : int
        Of the song, frames.
    """

    frames: np.ndarray
    chances: np.ndarray
    features: np.ndarray
    division: np.ndarray | None
    beat: int = _BEAT[0]


def logit(chance):
    """Log of the odds, of chances kept away from 0 and 1."""
    chance = np.clip(chance, 1e-4, 1 - 1e-4)
    return np.log(chance / (1 - chance))


def find_lags(total: np.ndarray) -> list[int]:
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
    columns = []
    for lag in lags:
        places, inside = beats_away(frames, lag, len(near))
        values = np.where(inside, near[places], 0.0)
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


def describe(onset: np.ndarray, level: np.ndarray) -> list[Peaks]:
    """Numbers that describe the peaks of each stem within their song.

    Parameters
    ----------
    onset : ndarray, shape (frames, 9)
        Onset activations, 0..1.
    level : ndarray, shape (frames, 6 or 1, GROUPS)
        From `adt.levels.levels`.

    Returns
    -------
    list of Peaks
        For each stem.
    """
    from scipy.ndimage import maximum_filter1d

    stems, seconds = range(len(STEMS)), max(1, len(onset)) / FRAME_RATE
    if len(onset) < 2:
        return [_no_peaks(s) for s in stems]
    found = [stem_peaks(onset, columns, FAINTEST) for columns in STEM_COLUMNS]
    total, frames = np.stack([t for t, _ in found], axis=1), [f for _, f in found]
    near = maximum_filter1d(total, 2 * NEAR + 1, axis=0)
    lags = find_lags(total.sum(axis=1))
    chances = [total[f, s].astype(np.float64) for s, f in enumerate(frames)]
    heights = [logit(c) for c in chances]
    stem_of = np.stack([_of_stem(heights[s], chances[s], seconds) for s in stems])
    # of the strokes of each stem, the share at which another is struck, and how surely
    weight = [c / max(0.3, c.sum()) for c in chances]
    struck = np.stack([weight[s] @ (near[frames[s]] > 0.3) for s in stems])
    surely = np.stack([weight[s] @ near[frames[s]] for s in stems])
    sounds = describe_sound(level, list(zip(frames, chances)))
    common = [*stem_of[:, [2, 7, 9]].ravel(), _expected_f(np.concatenate(chances)), lags[1]]
    result = []
    for s in stems:
        n, height = len(frames[s]), heights[s]
        if n == 0:
            result.append(_no_peaks(s, lags[1]))
            continue
        beside = logit(near[frames[s]])
        beside[:, s] = _NOTHING
        pieces = onset[frames[s]][:, STEM_COLUMNS[s]]
        fixed = [*stem_of[s], *common, *struck[s], *struck[:, s], *surely[s],
                 *np.eye(len(STEMS))[s]]
        columns = [
            height, pieces.max(axis=1) / np.maximum(1e-6, pieces.sum(axis=1)),
            pieces.argmax(axis=1), ranks(height), beside,
            *_company(near[frames[s]], s, height), *_repetition(frames[s], near[:, s], lags),
            *_spacing(frames[s], height, total[:, s]), np.tile(fixed, (n, 1)), sounds[s]]
        division = describe_cymbals(onset, frames[s], chances[s], lags) if s == CYMBALS else None
        result.append(Peaks(frames[s], chances[s], np.column_stack(columns).astype(np.float32),
                            division, lags[1]))
    return result


def _no_peaks(stem: int, beat: int = _BEAT[0]) -> Peaks:
    division = np.zeros((0, N_CYMBALS), np.float32) if stem == CYMBALS else None
    return Peaks(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, N_FEATURES), np.float32),
                 division, beat)


N_FEATURES = 82 + N_SOUND
