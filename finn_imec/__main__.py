"""The `finn-imec` command, also `python -m finn_imec`: signals end it while it still imports."""

from __future__ import annotations

import os
import sys

from finn_imec.util import interrupts


def main() -> None:
    """Entry point, see `finn_imec.cli.entry.main`."""
    _open_standard_streams()
    interrupts.install()
    from finn_imec import cli

    cli.main()


def _open_standard_streams() -> None:
    """Closed ones lead nowhere: a file that is opened next would take their place."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


if __name__ == "__main__":
    main()
