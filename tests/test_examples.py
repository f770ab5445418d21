"""Every example runs on the demo's audio."""

import runpy
from pathlib import Path

import pytest
import soundfile

from adt import Transcription
from adt.demo import groove
from adt.frames import SAMPLE_RATE
from adt.vocabulary import ARTICULATION_TO_PIECE, ARTICULATIONS

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from adt.data.kits import read_kit
    from adt.data.render import render
    from adt.synth import write_kit
    place = tmp_path_factory.mktemp("songs")
    kit = write_kit(tmp_path_factory.mktemp("kit"), 0)
    audio, played = render(groove(), read_kit(kit))
    soundfile.write(place / "demo.wav", 0.9 * audio.T / abs(audio).max(), SAMPLE_RATE)
    (place / "demo.txt").write_text("".join(
        f"{t:.6f}\t{ARTICULATION_TO_PIECE[ARTICULATIONS[a]]}\n"
        for t, a in zip(played.times, played.articulations)))
    return place


def run(name, *arguments):
    runpy.run_path(str(EXAMPLES / name))["main"]([str(a) for a in arguments])


def test_song_to_daw(folder, tmp_path):
    run("song_to_daw.py", folder / "demo.wav", tmp_path, "--note-map", "addictive_drums_2")
    song = Transcription.load(tmp_path / "drums.mid", note_map="addictive_drums_2")
    assert len(song) > 50
    assert len(list((tmp_path / "stems").glob("*.wav"))) == 5


def test_song_to_sheet(folder, tmp_path):
    pytest.importorskip("verovio")
    run("song_to_sheet.py", folder / "demo.wav", tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "demo.csv", "demo.labels.txt", "demo.mid", "demo.musicxml", "demo.pdf"]


def test_evaluate_my_tracks(folder, capsys):
    run("evaluate_my_tracks.py", folder)
    scores = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert float(scores["all"]) > 0.6


def test_annotations_that_cannot_be_scored(folder, tmp_path, capsys):
    (tmp_path / "a.wav").write_bytes((folder / "demo.wav").read_bytes())
    for text, words in (("0.5\tKD\n0.6\tSD\n", "a.txt: a transcription of 5"), ("x\n", "line 1")):
        (tmp_path / "a.txt").write_text(text)
        with pytest.raises(SystemExit):
            run("evaluate_my_tracks.py", tmp_path, "--classes", "9")
        assert words in capsys.readouterr().err


def test_tracks_without_annotation(folder, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run("evaluate_my_tracks.py", tmp_path / "nowhere")
    assert "no NAME.wav" in capsys.readouterr().err
    (tmp_path / "a.wav").write_bytes((folder / "demo.wav").read_bytes())
    with pytest.raises(SystemExit):
        run("evaluate_my_tracks.py", tmp_path)
    assert "a.wav: no annotation" in capsys.readouterr().out


def test_stems_and_activations(folder, capsys):
    run("stems_and_activations.py", folder / "demo.wav")
    *stems, last = capsys.readouterr().out.splitlines()
    plain, careful = int(last.split()[0]), int(last.split()[2])
    assert len(stems) == 5 and 0 < careful < plain


def test_examples_are_short_and_all_tested():
    tested = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert path.name in tested and len(path.read_text(encoding="utf-8").splitlines()) < 60
