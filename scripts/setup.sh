#!/bin/sh
# Install what is missing: compiler, headers and Tcl by apt, Python packages into $VENV.
set -eu

set -- g++=g++ tclsh=tcl "$PYTHON=python3"
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || set -- "$@" no-venv=python3-venv
sh scripts/apt.sh "$@"

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
	echo "$PYTHON is older than 3.11, which finn-plus needs; name another with PYTHON=..." >&2
	exit 1
}
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --editable '.[all,dev]'
