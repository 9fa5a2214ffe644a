"""The `finn-imec` command, a file per command; `COMMANDS` in `entry.py` lists them."""

from finn_imec.cli.entry import app, main

__all__ = ["app", "main"]
