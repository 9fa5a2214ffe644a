"""Files of a wheel besides those of finn_imec/."""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Files of benchmarks/results that `finn-imec paper` reads, and the folder where it looks for them.
PAPER_RESULTS = [
    name
    for bits in (1, 2)
    for name in (
        f"cnv-w{bits}a{bits}-lut-{bits}bit.json",
        f"power-cnv-w{bits}a{bits}.json",
        f"networks/cnvW{bits}A{bits}.json",
    )
]
MEASURED = "finn_imec/report/measured"


class WheelHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        key = "force_include_editable" if version == "editable" else "force_include"
        # So that every interpreter registers IMECConv in FINN.
        build_data[key]["finn_imec.pth"] = "finn_imec.pth"
        if version != "editable":
            for name in PAPER_RESULTS:
                build_data[key][f"benchmarks/results/{name}"] = f"{MEASURED}/{name}"
