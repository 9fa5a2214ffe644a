"""What every other part uses: errors, output folders, the cache, templates. Knows nothing of convolutions."""
