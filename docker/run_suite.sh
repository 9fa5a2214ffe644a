#!/bin/sh
# Run the tests on upstream FINN, in its container or any environment with FINN's dependencies:
#
#   FINN_ROOT=/path/to/finn sh docker/run_suite.sh [pytest arguments]
#
# finn-imec is installed first if it is missing. Tests of finn-plus' builder are skipped.
set -eu
if [ ! -d "${FINN_ROOT:?set it to a checkout of FINN}/src/finn" ]; then
	echo "FINN_ROOT=$FINN_ROOT holds no src/finn" >&2
	exit 1
fi
here=$(cd "$(dirname "$0")/.." && pwd)
python3 -c 'import importlib.metadata as m; m.version("finn-imec")' 2>/dev/null || sh "$here/docker/install.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export FINN_BUILD_DIR="${FINN_BUILD_DIR:-$scratch}"
# FINN is a namespace package: an installed finn-plus would hide it.
export PYTHONPATH="$FINN_ROOT/src${PYTHONPATH:+:$PYTHONPATH}"
python3 - <<'PYTHON'
import os
from pathlib import Path

import finn.custom_op.fpgadataflow as module

if Path(os.environ["FINN_ROOT"]).resolve() not in Path(module.__file__).resolve().parents:
    raise SystemExit(f"FINN comes from {module.__file__}, not from FINN_ROOT")
PYTHON
cd "$here"
[ "$#" -gt 0 ] || set -- tests/test_custom_op.py tests/test_transformation.py tests/test_folding.py \
	tests/test_weights.py tests/test_ip.py tests/test_fifo.py tests/test_weight_dma.py tests/test_steps.py
python3 -m pytest -o addopts= -q "$@"
