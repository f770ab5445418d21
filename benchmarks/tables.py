"""Markdown tables, and their places in the README.

A place is ``<!-- table:NAME -->`` … ``<!-- /table -->``, each marker on a line of
its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from adt.errors import DataError
from adt.output import atomic_path

ABSENT = "–"  #: printed where a figure is not defined


def number(value: float | None, digits: int = 3) -> str:
    """A figure, without the zero before the point for what is below one.

    Examples
    --------
    >>> number(0.8231), number(-0.5, 2), number(12.34, 1), number(None)
    ('.823', '−.50', '12.3', '–')
    """
    if value is None or value != value:
        return ABSENT
    text = f"{abs(value):.{digits}f}"
    if text.startswith("0."):
        text = text[1:]
    negative = value < 0 and any(c in "123456789" for c in text)
    return ("−" if negative else "") + text


def decibel(value: float | None, digits: int = 1) -> str:
    """A level in dB, always with the digit before the point."""
    if value is None or value != value:
        return ABSENT
    return f"{value:.{digits}f}".replace("-", "−")


def interval(value: float | None, bounds: Sequence[float] | None, digits: int = 3) -> str:
    """A figure with its interval.

    Examples
    --------
    >>> interval(0.8, [0.75, 0.84])
    '.800 [.750, .840]'
    """
    if bounds is None:
        return number(value, digits)
    return f"{number(value, digits)} [{number(bounds[0], digits)}, {number(bounds[1], digits)}]"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table; the first `left` columns are set flush left, the others right.

    Examples
    --------
    >>> print(markdown(["a", "b"], [["x", "1"]]))
    | a | b |
    |---|--:|
    | x | 1 |
    """
    rule = "|" + "|".join("---" if i < left else "--:" for i in range(len(header))) + "|"
    lines = ["| " + " | ".join(str(c) for c in row) + " |" for row in (header, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def check(path: Path | str, names: Sequence[str] = ()) -> None:
    """Raise `DataError` unless there is such a file, with places for tables of these names."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; give the README with the table markers")
    text = Path(path).read_text(encoding="utf-8")
    for name in names:
        if not _place(name).search(text):
            raise DataError(f"{path}: no place for the table; add the two lines "
                            f"<!-- table:{name} --> and <!-- /table -->")


def _place(name: str) -> re.Pattern:
    """What finds the markers of a table and what is between them."""
    return re.compile(rf"(<!-- table:{re.escape(name)} -->).*?(<!-- /table -->)", re.DOTALL)


def insert_tables(path: Path | str, named: Mapping[str, str]) -> None:
    """Replace tables between their markers; the rest of the file stays.

    Raises
    ------
    DataError
        If the file is missing or lacks one of the markers.
    """
    path = Path(path)
    check(path, list(named))
    text = path.read_text(encoding="utf-8")
    for name, table in named.items():
        text = _place(name).sub(
            lambda m, table=table: f"{m[1]}\n{table.strip()}\n{m[2]}", text)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
