"""LUTs, flip-flops and period of a small layer per MAC core: a change of RTL that costs shows at once.

python tests/gate.py            compare with tests/gate.json, print what differs
python tests/gate.py --write    accept the present figures
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from finn_imec.layer.geometry import ConvGeometry
from finn_imec.synthesis.comparison import Layer, generate_imec, random_layer
from finn_imec.synthesis.yosys import count

RECORD = Path(__file__).with_name("gate.json")
FIGURES = ("lut", "ff", "period_ns")
#: Accepted increase over the record, and decrease without a new record.
TOLERANCE = 0.02
_GEOMETRY = ConvGeometry((3, 3), (6, 6), 8, 16, simd=8, pe=4)
#: MAC core -> activation, weight, thresholds per channel.
LAYERS = {"lut": ("INT2", "INT2", 3), "dsp": ("INT4", "INT4", 15)}


def layer_of(core: str) -> Layer:
    """The small layer of a MAC core, a complete node."""
    activation, weight, steps = LAYERS[core]
    return random_layer(core, _GEOMETRY, activation, weight).with_random_thresholds(steps)


def figures(core: str) -> dict[str, float]:
    """FIGURES of IMECConv for 5 ns, by Yosys."""
    with tempfile.TemporaryDirectory() as folder:
        side = generate_imec(layer_of(core), core, Path(folder), 5.0)
        counted = count(side.design, dsp=core == "dsp", clock_ns=5.0)
    return {key: counted[key] for key in FIGURES}


def differences(now: dict[str, float], before: dict[str, float]) -> list[str]:
    """Figures that differ from the record by more than TOLERANCE."""
    return [
        f"{key}: {before[key]} -> {now[key]}"
        for key in FIGURES
        if abs(now[key] - before[key]) > TOLERANCE * before[key]
    ]


def main() -> int:
    """Compare or write; 1 if something differs."""
    now = {core: figures(core) for core in LAYERS}
    if "--write" in sys.argv:
        RECORD.write_text(json.dumps(now, indent=1) + "\n")
        return 0
    before = json.loads(RECORD.read_text())
    changed = [f"{core}, {text}" for core in LAYERS for text in differences(now[core], before[core])]
    print("\n".join(changed) or "nothing changed")
    return bool(changed)


if __name__ == "__main__":
    sys.exit(main())
