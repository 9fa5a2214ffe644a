"""Deprecated, for one release: these names are in finn_imec.partition."""

from finn_imec.util.deprecation import deprecated_names

__getattr__ = deprecated_names(
    __name__,
    {
        "prepare_network": "finn_imec.partition.prepare_network",
        "run_network": "finn_imec.partition.run_network",
    },
)
