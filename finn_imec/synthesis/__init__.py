"""Resource counts by Yosys, and FINN's own SWG + MVAU pair as the design to compare with."""
