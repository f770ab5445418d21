"""Training and evaluation data: Groove MIDI, StemGMD, MDB Drums, sampled kits, renderer."""
