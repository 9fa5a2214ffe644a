"""The `finn-imec` command, also `python -m finn_imec`: signals end it while it still imports."""

from __future__ import annotations

from finn_imec.util import interrupts


def main() -> None:
    """Entry point, see `finn_imec.cli.main`."""
    interrupts.install()
    from finn_imec import cli

    cli.main()


if __name__ == "__main__":
    main()
