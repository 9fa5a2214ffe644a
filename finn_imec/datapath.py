"""Deprecated, for one release: these names are in finn_imec.layer."""

from finn_imec.util.deprecation import deprecated_names

__getattr__ = deprecated_names(
    __name__,
    {
        "Datapath": "finn_imec.layer.Datapath",
        "Operand": "finn_imec.layer.Operand",
        "smallest_datatype": "finn_imec.layer.smallest_datatype",
    },
)
