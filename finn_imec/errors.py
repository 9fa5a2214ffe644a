"""Deprecated, for one release: these names are in finn_imec.util.errors."""

from finn_imec.util.deprecation import deprecated_names

__getattr__ = deprecated_names(
    __name__,
    {
        "GeometryError": "finn_imec.util.errors.GeometryError",
        "ImecError": "finn_imec.util.errors.ImecError",
        "MissingToolError": "finn_imec.util.errors.MissingToolError",
        "ModelError": "finn_imec.util.errors.ModelError",
        "UnsupportedError": "finn_imec.util.errors.UnsupportedError",
    },
)
