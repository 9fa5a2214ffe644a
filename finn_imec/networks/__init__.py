"""Networks that the project runs on: trained here (digits) or read from published weights (cnv)."""
