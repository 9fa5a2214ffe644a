"""Deprecated, for one release: these names are in finn_imec.layer."""

from finn_imec.util.deprecation import deprecated_names

__getattr__ = deprecated_names(
    __name__,
    {
        "WindowUnit": "finn_imec.layer.WindowUnit",
    },
)
