"""A song to MIDI on the notes of a drum plug-in, one track a piece, and five stems.

    python examples/song_to_daw.py song.mp3 out/ --note-map addictive_drums_2
"""

import argparse
from pathlib import Path

import adt


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("song")
    parser.add_argument("out", type=Path)
    parser.add_argument("--note-map", default="general_midi")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    song = adt.transcribe(args.song)
    song.save(args.out / "drums.mid", note_map=args.note_map, split_tracks=True)
    adt.separate_file(args.song, args.out / "stems")
    print(f"{len(song)} hits and five stems in {args.out}")


if __name__ == "__main__":
    main()
