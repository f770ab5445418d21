"""``adt score`` and the comparison behind it."""

import json

import pytest

from adt import Hit, Transcription
from adt.cli import main
from adt.comparison import compare
from adt.errors import DataError


@pytest.fixture
def pair(tmp_path):
    reference = Transcription([Hit(t, "kick", 40 + int(t)) for t in range(70)], 70)
    estimate = Transcription([Hit(t + 0.01, "kick", 50 + t) for t in range(70) if t != 65]
                             + [Hit(65.2, "snare", 90), Hit(65.5, "snare", 90)], 70)
    return reference, estimate


def test_compare(pair):
    result = compare(*pair)
    assert result["scores"]["KD"]["fn"] == 1 and result["scores"]["SD"]["fp"] == 2
    assert result["offset"] == pytest.approx(0.01)
    assert result["velocity"]["correlation"] == pytest.approx(1)
    assert result["velocity"]["difference"] == pytest.approx(10)
    assert result["worst"] == [{"second": 65, "missed": {"KD": 1}, "invented": {"SD": 2}}]


def test_matches_are_gone_through_once(pair, monkeypatch):
    """Hits of hours are compared in seconds."""
    import mir_eval
    match, passes = mir_eval.util.match_events, []

    class Counted(list):
        def __iter__(self):
            passes.append(len(self))
            return super().__iter__()

    expected = compare(*pair)
    monkeypatch.setattr(mir_eval.util, "match_events", lambda *given: Counted(match(*given)))
    assert compare(*pair) == expected
    assert 0 < sum(passes) < 5 * 69


def test_references_are_scored_as_annotated():
    reference = Transcription([Hit(1.0, "ride", 90), Hit(1.004, "crash", 90),
                               Hit(2.0, "snare", 40), Hit(2.02, "snare", 90)], 4.0)
    estimate = Transcription([Hit(1.0, "ride", 90), Hit(2.0, "snare", 90)], 4.0)
    found = compare(reference, estimate, 5)
    assert found["scores"]["SUM"]["fn"] == 2 and found["scores"]["SUM"]["fp"] == 0
    assert sum(sum(w["missed"].values()) for w in found["worst"]) == 2
    assert len(reference.reduce(5)) == 2 and len(reference.reduce(5, merge=False)) == 4
    assert len(reference.events(5, merge=False)["CY"]) == 2


@pytest.mark.parametrize("classes", [3, 5, 7, 9])
def test_a_file_is_as_right_as_itself(classes):
    struck = [Hit(1.0, "ride"), Hit(1.004, "crash"), Hit(2.0, "snare", 40), Hit(2.02, "snare"),
              Hit(3.0, "tom_high"), Hit(3.0, "tom_mid"), Hit(3.5, "hihat_open"),
              Hit(3.51, "hihat_closed")]
    song = Transcription(struck, 4.0)
    assert compare(song, song, classes)["scores"]["SUM"]["f_measure"] == 1.0
    coarse = song.reduce(classes) if classes < 9 else song  # in which they are one stroke
    assert compare(coarse, song, classes)["scores"]["SUM"]["f_measure"] == 1.0


def test_constant_velocities_say_nothing(pair):
    flat = Transcription([Hit(h.time, h.piece, 100) for h in pair[0]], 70)
    assert compare(flat, pair[1])["velocity"] is None


def test_command(pair, tmp_path, capsys):
    names = [str(t.save(tmp_path / n)) for t, n in zip(pair, ("ref.csv", "est.mid"))]
    assert main(["score", *names]) == 0
    out = capsys.readouterr().out
    assert "1:05  missed 1 KD; invented 2 SD" in out and "10 ms late" in out
    assert main(["score", *names, "--json", "--classes", "9"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["kick"]["tp"] == 69


def test_unknown_labels_are_left_out(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("0.5\tkick\n0.6\ttambourine\n")
    assert main(["score", str(tmp_path / "a.txt"), str(tmp_path / "a.txt"), "--json"]) == 0
    captured = capsys.readouterr()
    assert "tambourine are left out" in captured.err
    assert json.loads(captured.out)["scores"]["SUM"]["tp"] == 1


def test_a_file_of_unknown_labels_alone_is_no_reference(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("0.5\ttambourine\n0.6\tcowbell\n")
    (tmp_path / "silence.txt").write_text("")
    assert main(["score", *[str(tmp_path / "a.txt")] * 2]) == 1
    captured = capsys.readouterr()
    assert "labels cowbell, tambourine are in no set of classes" in captured.err
    assert not captured.out
    assert main(["score", *[str(tmp_path / "silence.txt")] * 2]) == 0


def test_too_many_classes(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("0.5\tKD\n")
    assert main(["score", *[str(tmp_path / "a.txt")] * 2, "--classes", "9"]) == 1
    assert "--classes" in capsys.readouterr().err


def test_two_sets_of_labels_are_both_named(tmp_path):
    (tmp_path / "mix.txt").write_text("0.5\tOT\n0.6\tKD\n0.7\tkick\n")
    with (pytest.warns(UserWarning, match="hits of OT are left out"),
          pytest.raises(DataError, match="KD, kick are not all of one set")):
        Transcription.load(tmp_path / "mix.txt", ignore_unknown=True)


def test_each_file_has_its_note_map(tmp_path, capsys):
    song = Transcription([Hit(0.25 * k, "hihat_closed") for k in range(8)] + [Hit(0.5, "kick")], 3)
    reference = str(song.save(tmp_path / "reference.mid"))
    estimate = song.save(tmp_path / "estimate.mid", note_map="addictive_drums_2")

    def scored(*options):
        assert main(["score", reference, str(estimate), "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)["scores"]["SUM"]["f_measure"]

    assert scored() == 1.0  # the estimate tells its own
    song.to_midi(note_map="addictive_drums_2").write(str(estimate))  # this one does not
    assert scored() < 0.5
    maps = "--note-map", "addictive_drums_2", "--reference-note-map", "general_midi"
    assert scored(*maps) == 1.0


def test_classes_in_any_case(tmp_path):
    (tmp_path / "a.txt").write_text("0.5\tkd\n1.0\tSd\n1.5\thh\n")
    assert [h.piece for h in Transcription.load(tmp_path / "a.txt")] == ["KD", "SD", "HH"]


def test_timing_of_a_few_chance_matches_says_so(tmp_path, capsys):
    times = [0.4 * k + 0.03 * (k % 5) for k in range(60)]
    for name, shift in (("a.csv", 0.0), ("b.csv", 0.23)):
        Transcription([Hit(t + shift, "kick") for t in times], 30).save(tmp_path / name)
    a, b = str(tmp_path / "a.csv"), str(tmp_path / "b.csv")
    assert main(["score", a, b]) == 0
    said = capsys.readouterr().out
    assert "timing" not in said or "few match, try a wider --window" in said
    assert main(["score", a, b, "--window", "0.1"]) == 0
    assert main(["score", a, b, "--window", "0.3"]) == 0
    said = capsys.readouterr().out
    assert "the estimate is 230 ms late (median)" in said
