"""JSON files that other commands wrote, read and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from finn_imec.util.errors import ModelError


def read_json(path: Path, expected: type | tuple[type, ...]) -> Any:
    """The content of a file, of a type of `expected`; ModelError naming the file if it is not that."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ModelError(f"{path}: cannot be read ({err.strerror})") from err
    except ValueError as err:
        raise ModelError(f"{path}: not JSON, or truncated ({err})") from err
    if not isinstance(content, expected):
        raise ModelError(f"{path}: holds a {type(content).__name__}, which is not what it should hold")
    return content
