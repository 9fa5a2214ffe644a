"""The IMEC paper's tables and figures, measured again: published beside today's FINN and IMECConv.

Wadhwa, Khandelwal and Shreejith, IMEC: a memory-efficient convolution algorithm for quantised neural
network accelerators, ASAP 2022, DOI 10.1109/ASAP54787.2022.00027.
"""
