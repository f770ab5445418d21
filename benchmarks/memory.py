"""Peak memory of this process, and of an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def peak_memory() -> float | None:
    """Peak resident set of this process in MiB; None where the system does not say."""
    try:  # Linux counts the parent's memory into ru_maxrss of a child, but not into VmHWM
        with open("/proc/self/status", encoding="ascii") as handle:
            for line in handle:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 2 ** 10
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2 ** 20 if sys.platform == "darwin" else peak / 2 ** 10


def peak_of_imports(*modules: str) -> float | None:
    """Peak memory in MiB of a fresh interpreter that imports some modules, or none."""
    lines = [f"import {module}" for module in modules]
    code = "\n".join([*lines, "from benchmarks.memory import peak_memory", "print(peak_memory())"])
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1],
                          capture_output=True, text=True, check=True)
    answer = done.stdout.strip()
    return None if answer == "None" else float(answer)
