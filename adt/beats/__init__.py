"""Beats, bars and tempo of a song.

- `adt.beats.beats`: what beats are; files of them
- `adt.beats.tracking`: hits → beats, by networks (`adt.beats.beat_network`,
  `adt.beats.bar_network`) and the most probable path (`adt.beats.search`)
- `adt.beats.tempo`: beats → tempo map, and beats of a steady tempo
- `adt.beats.grid`: places of hits in the bar; `adt.beats.quantize` moves hits there
"""

from .beats import Beats

__all__ = ["Beats"]
