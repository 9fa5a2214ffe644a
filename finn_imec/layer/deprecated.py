"""Old attributes of ConvGeometry, from before memories and cycles had their own files; for one release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from finn_imec.layer import baseline
from finn_imec.layer.arrivals import Arrivals
from finn_imec.layer.geometry import ConvGeometry
from finn_imec.layer.units import cheapest_folding, storage
from finn_imec.util.deprecation import warn_deprecated

#: Old attribute -> (its replacement, its value).
_ATTRIBUTES: Mapping[str, tuple[str, Callable[[ConvGeometry], Any]]] = {
    "cycles_per_frame": ("storage(g).cycles_per_frame", lambda g: storage(g).cycles_per_frame),
    "finn_cycles": ("baseline.pair_cycles(g)", baseline.pair_cycles),
    "strip_pixels": ("g.live_pixels", lambda g: g.live_pixels),
    "strip_words": ("storage(g).words", lambda g: storage(g).words),
    "strip_style": ("g.buffer_style", lambda g: g.buffer_style),
    "strip_ports": ("g.buffer_ports", lambda g: g.buffer_ports),
    "dual_port": ("storage(g).dual_port", lambda g: storage(g).dual_port),
    "window": ("storage(g)", lambda g: storage(g) if g.parallel_window else None),
    "padding_runs": ("Arrivals(g).runs", lambda g: Arrivals(g).runs),
    "runs_ahead": ("Arrivals(g).runs_ahead", lambda g: Arrivals(g).runs_ahead),
    "total_cycles": ("storage(g).total_cycles", lambda g: storage(g).total_cycles),
    "stream_cycles": ("storage(g).stream_cycles", lambda g: storage(g).stream_cycles),
    "first_output_latency": (
        "storage(g).first_output_latency",
        lambda g: storage(g).first_output_latency,
    ),
    "strip_bits": ("storage(g).bits", lambda g: storage(g).bits),
    "swg_bits": ("baseline.generator_bits(g, ...)", lambda g: partial(baseline.generator_bits, g)),
    "replay_bits": ("baseline.replay_bits(g, ...)", lambda g: partial(baseline.replay_bits, g)),
    "cheapest_folding": ("cheapest_folding(g, ...)", lambda g: partial(cheapest_folding, g)),
}


def install() -> None:
    """Restore ConvGeometry's old attributes, each with a DeprecationWarning that names the new way."""
    for name in _ATTRIBUTES:
        setattr(ConvGeometry, name, property(partial(_old, name)))


def _old(name: str, layer: ConvGeometry) -> Any:
    new, value = _ATTRIBUTES[name]
    warn_deprecated(f"ConvGeometry.{name}", f"finn_imec.layer's {new}")
    return value(layer)
