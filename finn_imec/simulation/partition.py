"""Deprecated, for one release: these names are in finn_imec.partition."""

from finn_imec.util.deprecation import deprecated_names

__getattr__ = deprecated_names(
    __name__,
    {
        "DeadlockError": "finn_imec.partition.DeadlockError",
        "Partition": "finn_imec.partition.Partition",
        "Run": "finn_imec.partition.Run",
        "simulate": "finn_imec.partition.simulate",
    },
)
