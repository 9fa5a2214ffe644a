"""What pages of the documentation are made of: recorded lines, and tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def recorded(path: Path, keys: Sequence[str] = ("network",)) -> list[dict[str, Any]]:
    """The lines of a JSON Lines file, if it is there; of those with the same values of `keys` the last."""
    lines = map(json.loads, path.read_text().splitlines()) if path.is_file() else ()
    return list({tuple(line[key] for key in keys): line for line in lines}.values())


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table whose first `left` columns are aligned to the left, the others to the right."""
    rule = [*["---"] * left, *["---:"] * (len(header) - left)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, rule, *rows))
