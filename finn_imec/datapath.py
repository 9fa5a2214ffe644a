"""Deprecated: finn_imec.layer has these names; here for one release."""

from finn_imec.util.deprecation import deprecated_names

__getattr__ = deprecated_names(
    __name__,
    {
        "Datapath": "finn_imec.layer.Datapath",
        "Operand": "finn_imec.layer.Operand",
        "smallest_datatype": "finn_imec.layer.smallest_datatype",
    },
)
