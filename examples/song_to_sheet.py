"""A song to files that notation programs and editors read: MIDI, CSV and Audacity labels.

    python examples/song_to_sheet.py song.mp3 out/
"""

import argparse
from pathlib import Path

import adt


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("song", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    song = adt.transcribe(args.song)
    for suffix in (".mid", ".csv", ".labels.txt"):
        print(song.save(args.out / f"{args.song.stem}{suffix}"))


if __name__ == "__main__":
    main()
