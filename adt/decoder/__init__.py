"""The decoder: strokes judged in the light of the whole song.

- `adt.decoder.description`: numbers that describe each peak of the activations
  (`adt.decoder.sound`: how it sounds; `adt.decoder.cymbals`: ride or crash)
- `adt.decoder.trees`, `adt.decoder.attention`: what judges them
- `adt.decoder.decoder`: both together, activations in and judged activations out
"""

from .decoder import Decoder, decode

__all__ = ["Decoder", "decode"]
