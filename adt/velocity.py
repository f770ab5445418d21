"""How hard a stroke was: the network's guess, told again from levels within the whole song.

The detectors hear 2.6 s at a time and never learn how loud a drum can get in this song; the
level of a stroke tells its velocity very well, but only beside the levels of the other
strokes. So after peak picking every hit is described by numbers (`features`): how far its
stem rises at the onset, in a few groups of bands, over what rang before; where that stands
among the rises of the same piece in the song; what the network thought of this hit and of the
others; what else is struck at once. A small network (`VelocityNet`), the same for all pieces,
makes a velocity of them. It was trained on renders of whole performances
(`adt.training.velocity`).

What is kept of a recording for this are levels, a few numbers a frame (`adt.levels`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .frames import FRAME_RATE
from .levels import GROUPS, decibel, rises
from .vocabulary import PIECE_TO_STEM, PIECES, STEMS

_STEM = np.array([STEMS.index(PIECE_TO_STEM[p]) for p in PIECES])
_TOGETHER = 0.03  #: seconds; strokes closer than this are struck at once
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
    frames = np.clip(np.rint(times * FRAME_RATE).astype(np.int64), 0, len(level) - 1)
    rise, before = rises(level, frames, np.minimum(_STEM[pieces], level.shape[1] - 1))
    mixed, _ = rises(level, frames, np.full(n, level.shape[1] - 1))
    own, groups = decibel(rise[:, -1]), decibel(rise[:, :-1])
    loud = 10 ** (own * _LAW)  # grows as velocity does

    # of each piece in the song: its levels, the network's velocities, velocity per loudness
    level_of = np.zeros((len(PIECES), 4))
    velocity_of = np.zeros((len(PIECES), 4))
    slope, count = np.zeros(len(PIECES)), np.zeros(len(PIECES))
    rank, since = np.zeros(n), np.zeros(n)
    for piece in np.unique(pieces):
        mine = np.flatnonzero(pieces == piece)
        x, v, y = own[mine], velocity[mine], loud[mine]
        count[piece] = len(mine)
        level_of[piece] = *np.percentile(x, [10, 50, 90]), x.max()
        velocity_of[piece] = *np.percentile(v, [10, 50, 90]), v.std()
        slope[piece] = np.log(max((v * y).sum() / max((y * y).sum(), 1e-9), 1e-3))
        rank[mine] = np.argsort(np.argsort(x, kind="stable")) / max(1, len(mine) - 1)
        since[mine] = np.diff(times[mine], prepend=times[mine[0]] - 2)
    present = (count > 0).astype(float)
    drums = level_of[:2, 1][count[:2] > 0]  # kick and snare, what the rest is compared with
    balance = present * (level_of[:, 1] - (drums.mean() if len(drums) else 0.0)) / 20
    common = (slope * np.sqrt(count)).sum() / np.sqrt(count).sum() if n else 0.0

    ranges, guesses = level_of[pieces], velocity_of[pieces]
    columns = [
        own / 20, (groups - own[:, None]) / 20, decibel(mixed[:, -1]) / 20,
        (decibel(before[:, -1]) - own) / 20, (own[:, None] - ranges) / 20,
        np.log1p(count[pieces]) / 4, (ranges[:, 2] - ranges[:, 0]) / 20, guesses,
        velocity, velocity - guesses[:, 1], np.exp(slope[pieces]) * loud, np.exp(common) * loud,
        guesses[:, 1] * 10 ** ((own - ranges[:, 1]) * _LAW),
        guesses[:, 2] * 10 ** ((own - ranges[:, 2]) * _LAW),
        confidence, rank, np.log(np.clip(since, 0.03, 4)), _struck(times, pieces),
        np.tile(balance, (n, 1)), np.tile(present, (n, 1)), np.eye(len(PIECES))[pieces]]
    return np.column_stack(columns).astype(np.float32)


N_FEATURES = 22 + GROUPS + 4 * len(PIECES)


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
    x = features(level, times, pieces, velocity, confidence)
    told = network(torch.from_numpy(x), demix=level.shape[1] > 1).double().numpy()
    return [(t, p, float(v), c) for (t, p, _, c), v in zip(picked, told)]
