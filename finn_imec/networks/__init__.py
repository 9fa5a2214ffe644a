"""Networks that the project uses: trained here (digits) or read from published weights (cnv)."""
