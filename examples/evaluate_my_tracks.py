"""Score transcriptions of one's own annotated recordings, pooled over tracks.

    python examples/evaluate_my_tracks.py FOLDER      # NAME.wav beside NAME.txt or NAME.mid
"""

import argparse
from pathlib import Path

import adt
from adt.scoring import Scores


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=int, default=5, choices=(3, 5, 7, 9))
    args = parser.parse_args(argv)
    tracks = {}
    for audio in sorted(args.folder.glob("*.wav")):
        for truth in (audio.with_suffix(".mid"), audio.with_suffix(".txt")):
            if truth.exists():
                tracks[audio] = truth
        if audio not in tracks:
            print(f"{audio}: no annotation beside it, left out")
    if not tracks:
        parser.error(f"{args.folder}: no NAME.wav beside NAME.txt or NAME.mid")
    references = {}
    for audio, truth in tracks.items():
        try:
            reference = adt.Transcription.load(truth, ignore_unknown=True)
            references[audio] = reference.events(args.classes, merge=False)
        except (adt.AdtError, ValueError) as error:
            parser.error(f"{truth}: {str(error).removeprefix(f'{truth}: ')}")
    transcriber, scores = adt.Transcriber(), Scores(args.classes)
    for audio, reference in references.items():
        scores.update(audio.stem, reference, transcriber(audio).events(args.classes))
    for name, score in {"all": scores()[0.05]["SUM"], **scores()[0.05]["classes"]}.items():
        f = score["f_measure"]
        print(f"{name:<14}{'–' if f is None else format(f, '.3f')}")


if __name__ == "__main__":
    main()
