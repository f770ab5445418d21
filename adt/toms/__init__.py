"""Toms, told within the song.

- `adt.toms.naming`: high, mid-low and floor tom, by pitch (`adt.toms.pitch`) and by what the
  detectors heard, of groups of strokes (`adt.toms.groups`)
- `adt.toms.low_toms`: low toms that were heard as kicks, by the low end that
  `adt.toms.low_end` keeps of the audio
"""
