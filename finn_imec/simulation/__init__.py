"""Register-transfer simulation of streaming designs."""
