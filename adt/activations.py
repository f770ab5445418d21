"""What the detectors say of a song; kept in ``.npz`` files."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from .errors import DataError
from .frames import FRAME_RATE
from .levels import GROUPS
from .output import atomic_path
from .overview import Overview
from .toms.pitch import BANDS as TOM_BANDS
from .vocabulary import PIECES, STEMS

_BEYOND = 4  #: frames that there may be after the end of the audio


@dataclass(frozen=True, eq=False)
class Activations:
    """What the detectors say of every frame.

    Frame k is centred at ``k * HOP / SAMPLE_RATE`` seconds; columns are in the order
    of `adt.vocabulary.PIECES`.

    Attributes
    ----------
    onset : ndarray of float32, shape (frames, 9)
        Probability of an onset, 0..1.
    velocity : ndarray of float32, shape (frames, 9)
        Velocity of an onset here, 0..1.
    offset : ndarray of float32, shape (frames, 9)
        Time of the onset minus the frame's centre, in frames.
    duration : float
        Of the audio, seconds.
    source : str
        Where the audio came from.
    levels : ndarray of float16, shape (frames, 6 or 1, GROUPS), optional
        Levels of the stems and the mixture, see `adt.levels`. Without them velocities
        are those of the detectors.
    toms : ndarray of float16, shape (frames, `adt.toms.pitch.BANDS`), optional
        Low bands of the toms' stem, or of the mixture without demixing, see `adt.toms.pitch`.
        Without them toms are named by the detectors.
    low : ndarray of float16, shape (samples,), optional
        The audio below 300 Hz, see `adt.toms.low_end`. Without it, or `levels` of stems, low toms
        that are heard as kicks stay kicks.
    chance : ndarray of float32, shape (frames, 9), optional
        `onset` judged again in the light of the whole song (`adt.decoder`): peaks only.
    overview : adt.overview.Overview, optional
        Of the audio, for its stems. Files have none.

    Raises
    ------
    ValueError
        If shapes or duration do not fit, or values are not finite or not of their range.
    """

    onset: np.ndarray
    velocity: np.ndarray
    offset: np.ndarray
    duration: float
    source: str = ""
    levels: np.ndarray | None = None
    toms: np.ndarray | None = None
    chance: np.ndarray | None = None
    low: np.ndarray | None = None
    overview: Overview | None = None

    def __post_init__(self):
        arrays = (self.onset, self.velocity, self.offset)
        frames = len(self.onset)
        if any(a.shape != (frames, len(PIECES)) for a in arrays):
            raise ValueError(f"activations of shapes {[a.shape for a in arrays]}; expected one of "
                             f"(frames, {len(PIECES)})")
        if self.levels is not None and self.levels.shape not in (
                (frames, 1, GROUPS), (frames, len(STEMS) + 1, GROUPS)):
            raise ValueError(f"levels of shape {self.levels.shape} of {frames} frames")
        if self.toms is not None and self.toms.shape != (frames, TOM_BANDS):
            raise ValueError(f"toms of shape {self.toms.shape}; expected ({frames}, {TOM_BANDS})")
        if self.chance is not None and self.chance.shape != self.onset.shape:
            raise ValueError(f"chances of shape {self.chance.shape}; expected {self.onset.shape}")
        if self.low is not None and self.low.ndim != 1:
            raise ValueError(f"low end of shape {self.low.shape}; expected one dimension")
        if not (np.isfinite(self.duration) and self.duration >= 0):
            raise ValueError(f"duration of {self.duration} s")
        if self.duration * FRAME_RATE < frames - 1 - _BEYOND:
            raise ValueError(f"duration of {self.duration:g} s; {frames} frames last "
                             f"{frames / FRAME_RATE:.2f} s")
        optional = (self.levels, self.toms, self.low)
        if not all(np.isfinite(a).all() for a in (*arrays, self.judged, *optional)
                   if a is not None):
            raise ValueError("activations are not all finite")
        for name, values in (("onsets", self.onset), ("chances", self.judged),
                             ("velocities", self.velocity)):
            if values.size and not (values.min() >= 0 and values.max() <= 1):
                raise ValueError(f"{name} from {values.min():g} to {values.max():g}; expected "
                                 "0 to 1")

    @property
    def demixed(self) -> bool:
        """Whether there are `levels` of stems."""
        return self.levels is not None and self.levels.shape[1] > 1

    @property
    def judged(self) -> np.ndarray:
        """What peaks are picked from: `chance`, or `onset` where there is none."""
        return self.onset if self.chance is None else self.chance

    def save(self, path: Path | str) -> Path:
        """Write as ``.npz`` (with the names of the columns under ``pieces``)."""
        more = {name: getattr(self, name) for name in ("levels", "toms", "chance", "low")
                if getattr(self, name) is not None}
        with atomic_path(path) as temporary, open(temporary, "wb") as handle:
            np.savez_compressed(
                handle, onset=self.onset, velocity=self.velocity, offset=self.offset,
                duration=self.duration, source=self.source, pieces=np.array(PIECES), **more)
        return Path(path)

    @classmethod
    def load(cls, path: Path | str) -> "Activations":
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file is not such a file.
        """
        try:
            with open(path, "rb") as handle, np.load(handle) as data:
                if tuple(data["pieces"].tolist()) != PIECES:
                    raise ValueError(f"its pieces are {data['pieces'].tolist()}")
                more = {name: data[name] for name in ("levels", "toms", "chance", "low")
                        if name in data}
                return cls(data["onset"], data["velocity"], data["offset"],
                           float(data["duration"]), str(data["source"]), **more)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile,
                zlib.error) as error:
            raise DataError(f"{path}: not an activations file of adt ({error}); "
                            "write one with adt transcribe --activations") from error
