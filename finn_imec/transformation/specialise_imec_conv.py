"""Old name of specialize_imec_conv."""

from finn_imec.util.deprecation import deprecated_names

__getattr__ = deprecated_names(
    __name__, {"SpecialiseIMECConv": "finn_imec.transformation.specialize_imec_conv.SpecializeIMECConv"}
)
