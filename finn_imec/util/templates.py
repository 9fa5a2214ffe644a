"""Text from the package's Jinja templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from finn_imec.util import names


def render(template: Path, **values: Any) -> str:
    """The rendered template; jinja2.UndefinedError for a missing value.

    Filters for names that are not ours: `tcl`, `literal`, `comment`, see `finn_imec.util.names`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"tcl": names.tcl_word, "literal": names.literal, "comment": names.comment}
    return environment.get_template(template.name).render(**values)
