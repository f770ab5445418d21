"""Wildcards, which shells of Windows leave to programs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable


def expanded(arguments: Iterable[str]) -> list[str]:
    """Arguments with the names that fit in place of those with ``*`` or ``?``.

    What fits nothing, and what has brackets alone (as in ``take[1].wav``), stays as it is.
    """
    found: list[str] = []
    for argument in arguments:
        pattern = argument.replace("[", "[[]")
        wild = ("*" in argument or "?" in argument) and not os.path.lexists(argument)
        found += (sorted(glob.glob(pattern)) if wild else []) or [argument]
    return found
