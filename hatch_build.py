"""Puts finn_imec.pth beside the package, so that every interpreter registers IMECConv in FINN."""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PthHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        key = "force_include_editable" if version == "editable" else "force_include"
        build_data[key]["finn_imec.pth"] = "finn_imec.pth"
