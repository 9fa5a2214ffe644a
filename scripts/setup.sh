#!/bin/sh
# Install what is missing: compiler, headers and Tcl by apt, Python packages into $VENV.
set -eu

missing=""
command -v g++ >/dev/null || missing="$missing g++"
command -v tclsh >/dev/null || missing="$missing tcl"
command -v "$PYTHON" >/dev/null || missing="$missing python3"
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
	echo "installing:$missing"
	sudo=""
	[ "$(id -u)" = 0 ] || sudo="sudo"
	$sudo apt-get update -qq
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing
fi

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
	echo "$PYTHON is older than 3.11, which finn-plus needs; name another with PYTHON=..." >&2
	exit 1
}
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --editable '.[all,dev]'
