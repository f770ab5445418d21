"""How hard a stroke was: the network's guess, told again from levels within the whole song.

The detectors hear a few seconds at a time and never learn how loud a drum can get in this song;
the level of a stroke tells its velocity very well, but only beside the levels of the other
strokes. So after peak picking every hit is described by numbers (`features`): how far its
stem rises at the onset, in a few groups of bands, over what rang before; where that stands
among the rises of the same piece in the song, and how these are spread; what the network
thought of this hit and of the others; what else is struck at once; which pieces there are and
how loud. A small network (`VelocityNet`), the same for all pieces, makes a velocity of them. It
was trained on renders of whole performances (`adt.training.velocity`).

What is kept of a recording for this are levels, a few numbers a frame (`adt.levels`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .frames import FRAME_RATE
from .levels import GROUPS, decibel, rises
from .ranks import ranks
from .vocabulary import PIECES, STEM_OF_PIECE

_STEM = np.array(STEM_OF_PIECE)
_TOGETHER = 0.03  #: seconds; strokes closer than this are struck at once
#: of levels, dB above the 90th percentile of their piece in the song
_EDGES = np.array([-24, -18, -14, -11, -8.5, -6.5, -4.5, -3, -1.5, 0, 1.5, 4])
#: pieces whose shape of levels tells of the others' too: nearly every song has them
_SHAPES = [PIECES.index(p) for p in ("kick", "snare", "hihat_closed")]
_AT_ONCE = 4096  #: hits that the networks judge at a time: long songs take no more memory
_LAW = 1 / 40  #: velocity over dB in powers of ten: a stroke twice as hard is 12 dB louder


def _struck(times: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Which other pieces are struck at the time of each hit, shape (n, 9)."""
    found = np.zeros((len(times), len(PIECES)), np.float32)
    for piece in range(len(PIECES)):
        mine = times[pieces == piece]
        low = np.searchsorted(mine, times - _TOGETHER)
        found[:, piece] = np.searchsorted(mine, times + _TOGETHER) > low
    found[np.arange(len(times)), pieces] = 0
    return found


class _Pieces:
    """What is known of each piece in a song, in arrays with a row for each of the nine.

    Attributes
    ----------
    count : ndarray, shape (9,)
    level, velocity : ndarray, shape (9, 4)
        10th, 50th and 90th percentile of the rises in dB, and the largest; the same of the
        network's velocities, and their deviation.
    slope : ndarray, shape (9,)
        Log of velocity per loudness, as the network sees it.
    shape : ndarray, shape (9, len(_EDGES) + 1)
        Share of the strokes by their level under the 90th percentile. Velocities that stop at
        127, ghost notes far under accents: how loud a drum can get shows in this shape.
    colour : ndarray, shape (9, GROUPS)
        Groups of bands of the louder half of the strokes, dB / 20 against all.
    """

    def __init__(self, pieces: np.ndarray, own: np.ndarray, groups: np.ndarray,
                 velocity: np.ndarray):
        rows, loud = len(PIECES), 10 ** (own * _LAW)
        self.count, self.slope = np.zeros(rows), np.zeros(rows)
        self.level, self.velocity = np.zeros((rows, 4)), np.zeros((rows, 4))
        self.shape, self.colour = np.zeros((rows, len(_EDGES) + 1)), np.zeros((rows, GROUPS))
        for piece in np.unique(pieces):
            mine = np.flatnonzero(pieces == piece)
            x, v, y = own[mine], velocity[mine], loud[mine]
            self.count[piece] = len(mine)
            self.level[piece] = *np.percentile(x, [10, 50, 90]), x.max()
            self.velocity[piece] = *np.percentile(v, [10, 50, 90]), v.std()
            self.slope[piece] = np.log(max((v * y).sum() / max((y * y).sum(), 1e-9), 1e-3))
            under = np.searchsorted(_EDGES, x - self.level[piece, 2])
            self.shape[piece] = np.bincount(under, minlength=len(_EDGES) + 1) / len(mine)
            upper = mine[x >= self.level[piece, 1]]
            self.colour[piece] = np.median(groups[upper] - own[upper, None], axis=0) / 20

    def song(self, seconds: float) -> np.ndarray:
        """Numbers that all hits of a song share: which pieces, how often, how loud each."""
        present = (self.count > 0).astype(float)
        columns = [present, np.log1p(self.count / seconds), self.velocity[:, 1],
                   self.velocity[:, 2], *self.shape[_SHAPES]]
        for quantile in (1, 2):  # against kick and snare
            drums = self.level[:2, quantile][self.count[:2] > 0]
            middle = drums.mean() if len(drums) else 0.0
            columns.append(present * (self.level[:, quantile] - middle) / 20)
        return np.concatenate(columns)


def _within_piece(times: np.ndarray, pieces: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Of each hit among its piece's: rank of its level, log of seconds since and until.

    Returns
    -------
    ndarray, shape (n, 3)
    """
    rank, since, until = np.zeros((3, len(times)))
    for piece in np.unique(pieces):
        mine = np.flatnonzero(pieces == piece)
        rank[mine] = ranks(own[mine])
        gaps = np.diff(times[mine])
        since[mine] = np.concatenate([[2.0], gaps])
        until[mine] = np.concatenate([gaps, [2.0]])
    return np.column_stack([rank, np.log(np.clip(since, 0.03, 4)), np.log(np.clip(until, 0.03, 4))])


def features(level: np.ndarray, times: np.ndarray, pieces: np.ndarray, velocity: np.ndarray,
             confidence: np.ndarray) -> np.ndarray:
    """Numbers that describe hits within their song.

    Parameters
    ----------
    level : ndarray, shape (frames, 6 or 1, GROUPS)
        From `adt.levels.levels`.
    times : ndarray, shape (n,)
        Seconds, ascending.
    pieces : ndarray of int, shape (n,)
    velocity, confidence : ndarray, shape (n,)
        Of the network, 0..1.

    Returns
    -------
    ndarray of float32, shape (n, N_FEATURES)
    """
    n = len(times)
    if not n:
        return np.zeros((0, N_FEATURES), np.float32)
    frames = np.clip(np.rint(times * FRAME_RATE).astype(np.int64), 0, len(level) - 1)
    rise, before = rises(level, frames, np.minimum(_STEM[pieces], level.shape[1] - 1))
    mixed, _ = rises(level, frames, np.full(n, level.shape[1] - 1))
    own, groups = decibel(rise[:, -1]), decibel(rise[:, :-1])
    loud = 10 ** (own * _LAW)  # grows as velocity does
    known = _Pieces(pieces, own, groups, velocity)
    ranges, guesses, slope = known.level[pieces], known.velocity[pieces], known.slope[pieces]
    weights = np.sqrt(known.count)
    common = (known.slope * weights).sum() / weights.sum()  # slope of all pieces
    columns = (
        own / 20, (groups - own[:, None]) / 20, decibel(mixed[:, -1]) / 20,
        (decibel(before[:, -1]) - own) / 20, (own[:, None] - ranges) / 20,
        np.log1p(known.count[pieces]) / 4, (ranges[:, 2] - ranges[:, 0]) / 20, guesses,
        velocity, velocity - guesses[:, 1], np.exp(slope) * loud, np.exp(common) * loud,
        guesses[:, 1] * 10 ** ((own - ranges[:, 1]) * _LAW),
        guesses[:, 2] * 10 ** ((own - ranges[:, 2]) * _LAW),
        confidence, _within_piece(times, pieces, own), _struck(times, pieces),
        known.shape[pieces], known.colour[pieces],
        np.tile(known.song(max(times[-1] - times[0], 2.0)).astype(np.float32), (n, 1)),
        np.eye(len(PIECES), dtype=np.float32)[pieces])
    return np.column_stack([np.asarray(column, np.float32) for column in columns])


N_FEATURES = 23 + 2 * GROUPS + (1 + len(_SHAPES)) * (len(_EDGES) + 1) + 8 * len(PIECES)


class VelocityNet(nn.Module):
    """Velocities from `features`, with demixing or without: the mean of a few small networks.

    Parameters
    ----------
    hidden : int
        Width of the two hidden layers.
    members : int
        Networks for each of the two.
    dropout : float
        In training.
    """

    def __init__(self, hidden: int = 96, members: int = 3, dropout: float = 0.3):
        super().__init__()

        def member():
            return nn.Sequential(
                nn.Linear(N_FEATURES, hidden), nn.SiLU(), nn.Dropout(dropout),
                nn.Linear(hidden, hidden), nn.SiLU(), nn.Dropout(dropout), nn.Linear(hidden, 1))

        self.stems = nn.ModuleList(member() for _ in range(members))
        self.mixture = nn.ModuleList(member() for _ in range(members))
        for name in ("stems", "mixture"):
            self.register_buffer(f"{name}_mean", torch.zeros(N_FEATURES))
            self.register_buffer(f"{name}_scale", torch.ones(N_FEATURES))

    def member_outputs(self, x: torch.Tensor, demix: bool) -> torch.Tensor:
        """Velocities 0..1 of every member, shape (members, n)."""
        name = "stems" if demix else "mixture"
        x = (x - getattr(self, f"{name}_mean")) / getattr(self, f"{name}_scale")
        x = x.clamp(-5.0, 5.0)
        return torch.stack([m(x)[:, 0].sigmoid() for m in getattr(self, name)])

    def forward(self, x: torch.Tensor, demix: bool) -> torch.Tensor:
        """Velocities 0..1, shape (n,), of features, shape (n, N_FEATURES)."""
        return self.member_outputs(x, demix).mean(dim=0)


@torch.inference_mode()
def refine(network: VelocityNet, level: np.ndarray, picked: list[tuple]) -> list[tuple]:
    """Hits as `adt.peaks.pick_peaks` gives them, with velocities told from levels too.

    Parameters
    ----------
    network : VelocityNet
        On the CPU.
    level : ndarray, shape (frames, 6 or 1, GROUPS)
        From `adt.levels.levels`.
    picked : list of (time, piece index, velocity, confidence)
    """
    if not picked:
        return picked
    times, pieces, velocity, confidence = (np.array(c) for c in zip(*picked))
    x = torch.from_numpy(features(level, times, pieces, velocity, confidence))
    told = torch.cat([network(part, demix=level.shape[1] > 1) for part in x.split(_AT_ONCE)])
    return [(t, p, float(v), c) for (t, p, _, c), v in zip(picked, told.tolist())]
