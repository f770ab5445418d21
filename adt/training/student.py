"""Training clips of recordings that nobody annotated: what a student hears of them.

The labels are what the teacher, adt as it was, heard in the recording as it is
(`adt.training.pseudo_labels`). The student hears it through equalisers, a compressor and noise,
under another band, its drums alone, or its drums in another recording's band, and has to find the
same strokes. So it learns from real music what renders do not have; the teacher's doubts are not
taught, and a student that hears a hat where it may be a cymbal is to be no surer of it. Wu & Lerch,
"Automatic drum transcription using the student-teacher learning paradigm with unlabeled music data"
(ISMIR 2017); Xie et al., "Self-training with noisy student improves ImageNet classification" (CVPR
2020).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.groove import Performance
from ..features import N_BANDS, reference_level, to_decibel
from ..frames import FRAME_RATE
from ..vocabulary import STEM_COLUMNS, STEMS
from . import augment
from .oneshots import warp_matrix
from .pseudo_labels import Recording
from .spectral import Clip, ClipMaker, rise, stands_out
from .targets import labels

_DOUBT = 3  #: frames either side of a doubtful stroke that teach nothing
_WHOLE, _ALONE = 0.5, 0.25  #: shares of clips of the song as it is, and of its drums alone
_LEAK = 1e-3  #: of what is not drums, at least so much is heard with them
_OWN_BANDS = 0.6  #: of other bands that drums are put into, the share that are of these recordings


def sharper(chances: np.ndarray, power: float) -> np.ndarray:
    """Chances whose odds are raised to a power."""
    with np.errstate(divide="ignore", over="ignore"):
        return 1 / (1 + (1 / chances - 1) ** power)


def either(onset, velocity, offset, frames, pieces, others, chances) -> None:
    """Give strokes that may be another piece's that part of the target, in place.

    Parameters
    ----------
    onset, velocity, offset : ndarray, shape (frames, 9)
        From `adt.training.targets.labels`.
    frames : ndarray, shape (n,)
        Of the strokes, fractional.
    pieces, others : ndarray of int, shape (n,)
        What each stroke is, and what it may be else (-1: nothing).
    chances : ndarray, shape (n,)
        Of that, 0..1.
    """
    for frame, piece, other, chance in zip(frames, pieces, others, chances):
        if other < 0:
            continue
        nearest = int(round(float(frame)))
        near = slice(max(0, nearest - 2), nearest + 3)
        part = chance * onset[near, piece]
        more = part > onset[near, other]
        for values in (velocity, offset):
            values[near, other] = np.where(more, values[near, piece], values[near, other])
        onset[near, other] = np.where(more, part, onset[near, other])
        onset[near, piece] *= 1 - chance


class StudentMaker(ClipMaker):
    """A `ClipMaker` some of whose clips are of recordings.

    Parameters
    ----------
    recordings : sequence of Recording
    student : dict
        Section ``student`` of a training config.
    *args, **kwargs
        Of `ClipMaker`.
    """

    def __init__(self, recordings: Sequence[Recording], student: dict, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.recordings, self.student = list(recordings), student
        lengths = np.array([len(r.bands) for r in self.recordings], float)
        self._lengths = lengths / lengths.sum()
        self._cymbals = [(r, int(frame)) for r in self.recordings for frame, piece in
                         r.strokes[:, :2] if piece in STEM_COLUMNS[STEMS.index("cymbals")]]

    def __call__(self, rng: np.random.Generator) -> Clip:
        if rng.random() < self.student["share"]:
            return self._student_clip(rng)
        return super().__call__(rng)

    def _window(self, rng) -> tuple[Recording, int, np.ndarray, np.ndarray]:
        """A recording, a frame of it, and from there band powers and the drums' share in them."""
        if self._cymbals and rng.random() < self.student["cymbals"]:
            recording, frame = self._cymbals[rng.integers(len(self._cymbals))]
            start = max(0, frame - int(rng.integers(self.frames)))
        else:
            recording = self.recordings[rng.choice(len(self.recordings), p=self._lengths)]
            start = int(rng.integers(max(1, len(recording.bands) - self.frames // 2)))
        power, share = np.zeros((2, self.frames, N_BANDS), np.float32)
        part = slice(start, start + self.frames)
        there = len(recording.bands[part])
        power[:there] = recording.bands[part].astype(np.float32) ** 2
        share[:there] = recording.drums[part] / np.float32(255)
        return recording, start, power, share

    def _other_band(self, rng) -> np.ndarray:
        """What is not drums in another recording, or a band as of renders; loud frames at 0 dB."""
        if rng.random() >= _OWN_BANDS:
            return self._band(rng)
        _, _, power, share = self._window(rng)
        power *= (1 - share) ** 2  # squared: little of the drums is left
        if power.any():
            power /= augment.db(reference_level(power))
        return power * augment.random_eq(rng, 3.0)

    def _beside(self, rng, way: float, level: float, harsh: float,
                strokes: Performance) -> np.ndarray:
        """What sounds beside the recording, shape (1, frames, bands)."""
        s, own = self.settings, self.student
        rest = np.zeros((1, self.frames, N_BANDS), np.float32)
        if way < _WHOLE:
            if rng.random() < own["band"]:
                rest[0] += self._band(rng) * augment.db(level + rng.uniform(*own["band_db"]))
        elif way >= _WHOLE + _ALONE:
            low, high = s["accompaniment_db"]
            rest[0] += self._other_band(rng) * augment.db(level + rng.uniform(low, high * harsh))
        if rng.random() < s["shaker"]:
            rest[0] += augment.shaker(rng, self.frames) * augment.db(level + rng.uniform(-35, -12))
        if self.percussion and rng.random() < s["percussion"]:
            rest[0] += self._percussion(rng, strokes) * augment.db(level + rng.uniform(-30, -6))
        if (instrument := self._instrument(rng)) is not None:
            rest[0] += self._line(rng, instrument, strokes, level, harsh)
        return rest

    def _student_clip(self, rng) -> Clip:
        s = self.settings
        harsh = rng.uniform(*s["harsh"])
        recording, start, power, share = self._window(rng)
        way = rng.random()
        if way >= _WHOLE:
            power *= np.maximum(share, _LEAK)
        if rng.random() < 0.4:
            power = power @ warp_matrix(rng.normal(0, 1.0))
        frames, pieces, velocities, others, chances = recording.strokes[
            (recording.strokes[:, 0] >= start)
            & (recording.strokes[:, 0] < start + self.frames - 1)].T
        frames, pieces = frames - start, pieces.astype(int)
        strokes = Performance(frames / FRAME_RATE, pieces, velocities)

        level = reference_level(power) if power.any() else 0.0
        sources = np.concatenate([power[None],
                                  self._beside(rng, way, level, harsh, strokes)])
        self._recording(sources, 0.7 * harsh, rng)  # it has been mixed and mastered once
        total = sources.sum(axis=0)
        mixture = augment.interfere(sources, rng)
        lost = self._lost(rng)
        mixture[:, lost] = 0.0
        level = reference_level(mixture)
        heard_level = level + rng.normal(0, s["gain_db"])

        source = np.where(lost, 0, sources[0])
        audible = [stands_out(rise(source, frame), total, frame, level)
                   for frame in frames.astype(int)]
        onset, velocity, offset, weight = labels(frames, pieces, velocities, audible, self.frames)
        either(onset, velocity, offset, frames, pieces, others.astype(int),
               sharper(chances, self.student["odds"]))
        doubts = recording.doubts - (start, 0)
        near = (doubts[:, 0] > -_DOUBT - 1) & (doubts[:, 0] < self.frames + _DOUBT + 1)
        for frame, stem in doubts[near]:
            first = max(0, round(float(frame)) - _DOUBT)
            weight[first:max(0, round(float(frame)) + _DOUBT + 1),
                   STEM_COLUMNS[int(stem)]] = 0.0
        weight[max(0, len(recording.bands) - start - 2):] = 0.0  # after its end
        nothing = np.zeros((len(STEMS), self.frames, N_BANDS), np.float32)
        return Clip(to_decibel(mixture, heard_level), nothing, onset, velocity, offset, weight)
