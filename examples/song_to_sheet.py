"""A song to sheet music and to files that notation programs and editors read.

    python examples/song_to_sheet.py song.mp3 out/      # needs music21, verovio and typst
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
    sheet = (".musicxml", ".pdf") if song.beats is not None else ()  # nothing regular: no bars
    for suffix in (*sheet, ".mid", ".csv", ".labels.txt"):
        print(song.save(args.out / f"{args.song.stem}{suffix}"))


if __name__ == "__main__":
    main()
