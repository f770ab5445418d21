"""Clips for the benchmarks on renders: held-out performances on held-out kits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adt.data.groove import Performance, read_groove
from adt.data.kits import Kit, read_kits

#: Performances shorter than this are taken last, seconds.
SHORT = 10.0


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

    Drummers take turns; each gives the longest of its performances in the style that
    has been used least, those shorter than `SHORT` only when no others are left. Each
    is played on the family of kits that this drummer has been heard on least; the kits
    of a family take turns. Longer performances are cut to `seconds` at a place that
    `seed` decides.

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
    heard: Counter[tuple[str, str]] = Counter()  # drummer, family
    played: Counter[str] = Counter()  # family
    clips: list[Clip] = []
    for performance in _in_turn(performances, seconds):
        if len(clips) == n_clips:
            break
        drummer = performance.drummer
        family = min(families, key=lambda f: (heard[drummer, f], played[f]))
        kit = families[family][played[family] % len(families[family])]
        heard[drummer, family] += 1
        played[family] += 1
        if performance.duration > seconds:
            start = float(rng.uniform(0.0, performance.duration - seconds))
            performance = performance.excerpt(start, start + seconds)
        clips.append(Clip(f"{performance.name}@{kit.name}", performance, kit))
    return clips


def _in_turn(performances: Sequence[Performance], seconds: float) -> Iterator[Performance]:
    """Performances in the order in which `choose_clips` takes them."""
    used: Counter[str] = Counter()  # style
    least = min(SHORT, seconds)
    for long in (True, False):
        left: dict[str, list[Performance]] = {}
        for performance in performances:
            if len(performance) and (performance.duration >= least) == long:
                left.setdefault(performance.drummer, []).append(performance)
        while left:
            for drummer in sorted(left):
                left[drummer].sort(key=lambda p: (
                    used[_style(p)], -min(p.duration, seconds), -p.duration, p.name))
                chosen = left[drummer].pop(0)
                if not left[drummer]:
                    del left[drummer]
                used[_style(chosen)] += 1
                yield chosen


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
