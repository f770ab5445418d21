"""The steps between a song and its hits: stems as arrays, activations, other thresholds.

    python examples/stems_and_activations.py song.wav
"""

import sys

import adt


def main(argv=None):
    (song,) = sys.argv[1:] if argv is None else argv
    stems = adt.separate(song)
    for name, audio in stems.items():
        print(f"{name:<10}peak {abs(audio).max():.3f}")
    plain = adt.Transcriber()
    activations = plain.activations(song)
    careful = adt.Transcriber(thresholds={stem: 0.8 for stem in adt.STEMS})
    print(f"{len(plain.hits(activations))} hits, "
          f"{len(careful.hits(activations))} with thresholds of 0.8")


if __name__ == "__main__":
    main()
