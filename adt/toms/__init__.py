"""Toms by pitch, within the song.

- `adt.toms.naming`: high, mid-low and floor tom, by clusters of pitch
- `adt.toms.low_toms`: low toms that were heard as kicks, by the low end that
  `adt.toms.low_end` keeps of the audio
"""
