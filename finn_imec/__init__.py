"""Memory-lean convolution hardware for quantised neural networks, as a FINN plugin."""

__version__ = "0.1.0"
