"""Deprecated: finn_imec.layer has these names; here for one release."""

from finn_imec.util.deprecation import deprecated_names

__getattr__ = deprecated_names(
    __name__,
    {
        "WindowUnit": "finn_imec.layer.WindowUnit",
    },
)
