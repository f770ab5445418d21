"""Names, notes and classes."""

import pytest

from adt import vocabulary as v


def test_every_piece_has_its_place():
    assert len(v.PIECES) == len(set(v.PIECES)) == 9
    assert len(v.STEMS) == len(set(v.STEMS)) == 5
    for mapping in (v.PIECE_TO_STEM, v.PIECE_TO_GM, v.PIECE_TO_STEMGMD):
        assert tuple(mapping) == v.PIECES
    assert set(v.PIECE_TO_STEM.values()) == set(v.STEMS)
    assert [p for s in v.STEMS for p in v.STEM_TO_PIECES[s]] == list(v.PIECES)

TD11_TO_PIECE = {note: v.ARTICULATION_TO_PIECE[a] for note, a in v.TD11_TO_ARTICULATION.items()}


def test_articulations_begin_with_the_pieces():
    assert v.ARTICULATIONS[:9] == v.PIECES
    assert set(v.ARTICULATION_TO_PIECE.values()) == set(v.PIECES)
    assert all(v.ARTICULATION_TO_PIECE[p] == p for p in v.PIECES)


def test_td11_notes_become_the_nine_pieces():
    """The 22 notes and their reduction are those of Gillick et al., 2019."""
    published = {
        "kick": {36}, "snare": {38, 40, 37}, "tom_high": {48, 50}, "tom_mid": {45, 47},
        "tom_floor": {43, 58}, "hihat_open": {46, 26}, "hihat_closed": {42, 22, 44},
        "crash": {49, 55, 57, 52}, "ride": {51, 59, 53}}
    assert len(TD11_TO_PIECE) == 22
    assert {n: p for p, notes in published.items() for n in notes} == TD11_TO_PIECE
    assert set(v.ARTICULATIONS) - set(v.TD11_TO_ARTICULATION.values()) == {"splash", "china"}


def test_general_midi_round_trip():
    assert len(set(v.PIECE_TO_GM.values())) == 9
    assert all(v.GM_TO_PIECE[note] == piece for piece, note in v.PIECE_TO_GM.items())
    assert all(35 <= note <= 59 for note in v.GM_TO_PIECE)
    assert set(v.GM_TO_PIECE.values()) == set(v.PIECES)


def test_notes_that_both_maps_know_mean_the_same():
    both = set(v.GM_TO_PIECE) & set(TD11_TO_PIECE)
    assert {n for n in both if v.GM_TO_PIECE[n] != TD11_TO_PIECE[n]} == set()


def test_stemgmd_names_are_one_to_one():
    assert len(v.STEMGMD_TO_PIECE) == 9
    assert all(v.PIECE_TO_STEMGMD[p] == name for name, p in v.STEMGMD_TO_PIECE.items())


@pytest.mark.parametrize("n", v.CLASS_COUNTS)
def test_reductions_are_complete(n):
    mapping = v.reduction(n)
    assert tuple(mapping) == v.PIECES
    names = v.class_names(n)
    assert len(names) == len(set(names)) == n
    assert set(names) == {c for c in mapping.values() if c is not None}
    notes = [v.class_note(name) for name in names]
    assert len(set(notes)) == n and set(notes) <= set(v.GM_TO_PIECE)
    for name, note in zip(names, notes):  # a class's note is that of one of its pieces
        assert mapping[v.GM_TO_PIECE[note]] == name


def test_class_sets_nest():
    assert v.class_names(9) == v.PIECES
    assert v.class_names(7) == ("kick", "snare", "toms", "hihat_closed", "hihat_open", "ride",
                                "crash")
    assert v.class_names(5) == ("KD", "SD", "TT", "HH", "CY")
    assert v.class_names(3) == ("KD", "SD", "HH")
    for fine, coarse in ((9, 7), (7, 5), (5, 3)):
        groups = {}
        for piece in v.PIECES:
            groups.setdefault(v.reduction(fine)[piece], set()).add(v.reduction(coarse)[piece])
        assert all(len(g) == 1 for g in groups.values())


@pytest.mark.parametrize("n", [0, 4, 10, None])
def test_other_class_counts_are_refused(n):
    with pytest.raises(ValueError, match=r"choose one of \(3, 5, 7, 9\)"):
        v.reduction(n)


def test_mappings_are_read_only():
    for mapping in (v.PIECE_TO_STEM, v.STEM_TO_PIECES, v.PIECE_TO_GM, v.GM_TO_PIECE,
                    v.TD11_TO_ARTICULATION, v.reduction(5)):
        with pytest.raises(TypeError):
            mapping["kick"] = "snare"
