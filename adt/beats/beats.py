"""Beats of a recording: where they fall and which of them begin a bar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..output import atomic_path

__all__ = ["Beats"]

LONGEST_BAR = 15  #: beats
_SHORTEST = 0.05  # seconds between beats that are listed in a file


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats in order of time, with their place in the bar.

    Parameters
    ----------
    times : array_like, shape (n,)
        Seconds, increasing. Times are kept to the microsecond.
    positions : array_like of int, shape (n,)
        Place in the bar: 1 is the downbeat.
    compound : bool
        A beat is three eighths, as in 6/8, 9/8 and 12/8, instead of a quarter.
    bar : int
        Beats a bar, where that is known though there may be no whole bar; 0 if it is not.

    Raises
    ------
    ValueError
        If the shapes differ, a time is not finite, times do not increase or a position
        is not a whole number from 1.

    Examples
    --------
    >>> beats = Beats([0.5, 1.0, 1.5, 2.0, 2.5], [3, 1, 2, 3, 1])
    >>> beats.metre, round(beats.tempo), beats.downbeats.tolist()
    (3, 120, [1.0, 2.5])
    """

    times: np.ndarray
    positions: np.ndarray
    compound: bool = False
    bar: int = 0

    def __post_init__(self):
        times = np.round(np.array(self.times, dtype=np.float64), 6)
        places = np.array(self.positions, dtype=np.float64)
        if times.ndim != 1 or times.shape != places.shape:
            raise ValueError(f"times of shape {times.shape} and positions of shape "
                             f"{places.shape}; expected two lists of one length")
        if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise ValueError("times of beats must be finite and increase")
        if not (np.isfinite(places).all() and (places >= 1).all()
                and (places == np.floor(places)).all()):
            raise ValueError("positions of beats must be whole numbers from 1")
        positions = places.astype(np.int64)
        times.flags.writeable = positions.flags.writeable = False
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "positions", positions)

    def __len__(self) -> int:
        return len(self.times)

    def __eq__(self, other) -> bool:
        if not isinstance(other, Beats):
            return NotImplemented
        return (np.array_equal(self.times, other.times)
                and np.array_equal(self.positions, other.positions)
                and self.compound == other.compound and self.metre == other.metre)

    __hash__ = None

    @property
    def unit(self) -> Fraction:
        """Quarter notes a beat."""
        return Fraction(3, 2) if self.compound else Fraction(1)

    def signature(self, count: int) -> tuple[int, int]:
        """Numerator and denominator of the time signature of a bar of `count` beats."""
        return (3 * count, 8) if self.compound else (count, 4)

    @property
    def downbeats(self) -> np.ndarray:
        """Times of the beats that begin a bar, seconds."""
        return self.times[self.positions == 1]

    @property
    def metre(self) -> int:
        """Beats a bar, the most common; of a tie the larger; 0 without beats.

        Only bars between two downbeats count. Without one it is `bar`, or else the largest
        position.
        """
        if not len(self):
            return 0
        lengths = np.diff(np.flatnonzero(self.positions == 1))
        if not len(lengths):
            return self.bar or int(self.positions.max())
        counts = np.bincount(lengths)
        return int(np.flatnonzero(counts == counts.max())[-1])

    @property
    def tempo(self) -> float:
        """Beats per minute, from the median distance; nan with fewer than two beats."""
        return float(60 / np.median(np.diff(self.times))) if len(self) > 1 else float("nan")

    def position_of(self, seconds):
        """Beats since the first beat, fractional, at times in seconds.

        Between beats it is linear; outside, the first and last distance go on.

        Raises
        ------
        ValueError
            With fewer than two beats.
        """
        return _interpolate(seconds, self.times, self._counts())

    def time_of(self, beats):
        """Seconds at a number of beats since the first: the inverse of `position_of`.

        Raises
        ------
        ValueError
            With fewer than two beats.
        """
        return _interpolate(beats, self._counts(), self.times)

    def bars(self, duration: float) -> list[tuple[float, float, int]]:
        """Bars that begin before `duration`, as (start, stop, number of beats).

        Beats before the first downbeat are a bar of their own (a pickup). The last bar
        ends where the next downbeat would be, by the metre and the last tempo.

        Parameters
        ----------
        duration : float
            Seconds.

        Raises
        ------
        ValueError
            With fewer than two beats.
        """
        self._counts()  # or there is no tempo
        edges = [int(k) for k in np.flatnonzero(self.positions == 1)]
        if not edges or edges[0] > 0:
            edges.insert(0, 0)
        present = len(self) - edges[-1]
        left = self.metre - int(self.positions[edges[-1]]) + 1
        edges.append(edges[-1] + max(present, left))
        starts = self.time_of(edges).tolist()
        return [(a, b, n) for a, b, n in zip(starts, starts[1:], np.diff(edges).tolist(),
                                             strict=False) if a < duration]

    def by_threes(self) -> Beats:
        """Eighths of 6/8, 9/8 or 12/8 as beats of three, counted from the downbeats.

        Raises
        ------
        ValueError
            If that leaves fewer than two beats.
        """
        kept = self.positions % 3 == 1
        if kept.sum() < 2:
            raise ValueError(f"{len(self)} eighths have no two beats of three")
        return Beats(self.times[kept], (self.positions[kept] + 2) // 3, compound=True,
                     bar=self.bar // 3)

    def save(self, path: Path | str) -> Path:
        """Write ``time<TAB>position`` lines.

        What these do not tell, as in 6/8 or where there is no whole bar, stands before them:
        ``# 6/8``.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        path = Path(path)
        told = Beats(self.times, self.positions) == self
        text = "" if told else "# {}/{}\n".format(*self.signature(self.metre))
        text += "".join(f"{t:.6f}\t{p}\n"
                        for t, p in zip(self.times, self.positions, strict=True))
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
        return path

    @classmethod
    def load(cls, path: Path | str) -> Beats:
        """Read a file of ``time<TAB>position`` lines.

        Others begin with ``#`` and are comments, or the time signature, such as ``# 6/8``.

        Raises
        ------
        DataError
            If the file is missing or not of that form.
        """
        path = Path(path)
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            comments = [line for line in lines if line.startswith("#")]
            rows = [line.split() for line in lines if line.strip() and line not in comments]
            if any(len(row) == 1 for row in rows):
                raise ValueError("a time without its place in the bar")
            if any(len(row) > 2 for row in rows):
                raise ValueError("more than a time and a place in a line")
            beats = cls([float(time) for time, _ in rows], [float(place) for _, place in rows],
                        *_signature(comments))
            if len(beats) and beats.positions.max() > LONGEST_BAR:
                raise ValueError(f"place {beats.positions.max()} in a bar; count anew in each bar")
            beats._check_listed()
            return beats
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); give a file of "
                            "time<TAB>position lines") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not a text file; expected lines of "
                            "time<TAB>position") from error
        except ValueError as error:
            raise DataError(f"{path}: not a file of beats ({error}); expected lines of "
                            "time<TAB>position") from error

    def _check_listed(self) -> None:
        """Refuse what only a slip of the hand can have listed."""
        for k, gap in enumerate(np.diff(self.times)):
            time, place = self.times[k + 1], int(self.positions[k + 1])
            if gap < _SHORTEST:
                raise ValueError(f"two beats at {time:.3f} s, less than {_SHORTEST} s apart")
            if place not in (1, int(self.positions[k]) + 1):
                raise ValueError(f"place {place} at {time:.3f} s after place {self.positions[k]}; "
                                 "places count up by one, and begin with 1 in every bar")

    def _counts(self) -> np.ndarray:
        if len(self) < 2:
            raise ValueError(f"{len(self)} beats have no tempo; two are needed")
        return np.arange(len(self), dtype=np.float64)


def _interpolate(values, x: np.ndarray, y: np.ndarray):
    """Piecewise linear y of x, whose first and last pieces go on outside."""
    values = np.asarray(values, dtype=np.float64)
    piece = np.clip(np.searchsorted(x, values, side="right") - 1, 0, len(x) - 2)
    slope = (y[piece + 1] - y[piece]) / (x[piece + 1] - x[piece])
    return y[piece] + (values - x[piece]) * slope


def _signature(comments: list[str]) -> tuple[bool, int]:
    """Whether beats are three eighths, and how many make a bar (0: not said)."""
    for line in comments:
        found = re.fullmatch(r"#\s*(\d+)/([48])\s*", line)
        if found:
            count, unit = map(int, found.groups())
            if unit == 4:
                return False, count
            if count % 3:
                raise ValueError(f"{count}/{unit}: bars are of quarters, or of 6/8, 9/8, 12/8")
            return True, count // 3
    return False, 0
