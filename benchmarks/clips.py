"""Clips for the benchmarks on renders: held-out performances on held-out kits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adt.data.groove import Performance, read_groove
from adt.data.kits import Kit, read_kits


@dataclass(frozen=True)
class Clip:
    """An excerpt of a performance and the kit to play it on."""

    name: str
    performance: Performance
    kit: Kit

    def render(self) -> tuple[dict[str, np.ndarray], Performance]:
        """Pieces, each float32 (2, samples), and labels; see `adt.data.render`."""
        from adt.data.render import render_pieces
        return render_pieces(self.performance, self.kit)


def choose_clips(performances: Sequence[Performance], kits: Sequence[Kit], n_clips: int,
                 seconds: float, seed: int = 0) -> list[Clip]:
    """Long excerpts, spread over drummers and styles, on every family of kits.

    Drummers take turns; each gives the longest of its performances in the style
    that has been used least. Longer performances are cut to `seconds` at a place
    that `seed` decides. Families of kits take turns, and the kits within a family.

    Parameters
    ----------
    performances : sequence of Performance
    kits : sequence of Kit
    n_clips : int
        Fewer come back if there are fewer performances.
    seconds : float
        Longest excerpt.
    seed : int

    Returns
    -------
    list of Clip
    """
    rng = np.random.default_rng(seed)
    families: dict[str, list[Kit]] = {}
    for kit in sorted(kits, key=lambda k: k.name):
        families.setdefault(kit.family, []).append(kit)
    left: dict[str, list[Performance]] = {}
    for performance in sorted(performances, key=lambda p: (-min(p.duration, seconds), p.name)):
        if len(performance):
            left.setdefault(performance.drummer, []).append(performance)
    used: Counter[str] = Counter()
    clips: list[Clip] = []
    while len(clips) < n_clips and any(left.values()):
        for drummer in sorted(left):
            if not left[drummer] or len(clips) >= n_clips:
                continue
            order = min(range(len(left[drummer])), key=lambda i: (
                used[_style(left[drummer][i])],
                -min(left[drummer][i].duration, seconds), left[drummer][i].name))
            performance = left[drummer].pop(order)
            used[_style(performance)] += 1
            family = list(families)[len(clips) % len(families)]
            members = families[family]
            kit = members[len(clips) // len(families) % len(members)]
            if performance.duration > seconds:
                start = float(rng.uniform(0.0, performance.duration - seconds))
                performance = performance.excerpt(start, start + seconds)
            clips.append(Clip(f"{performance.name}@{kit.name}", performance, kit))
    return clips


def _style(performance: Performance) -> str:
    return performance.style.split("/")[0]


def held_out(groove: Path | str, kits: Path | str, n_clips: int, seconds: float,
             seed: int = 0) -> list[Clip]:
    """Clips of Groove's test split on the validation kits."""
    return choose_clips(read_groove(groove, "test"), read_kits(kits, "validation"),
                        n_clips, seconds, seed)


def rendered(clips: Sequence[Clip], description: str) -> Iterator[
        tuple[Clip, dict[str, np.ndarray], Performance]]:
    """Render one clip after the other, with a progress bar on a terminal."""
    from tqdm import tqdm
    for clip in tqdm(clips, desc=description, unit="clip", disable=None):
        yield clip, *clip.render()
