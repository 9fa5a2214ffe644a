"""Common tools: errors, output folders, the cache, templates. Independent of convolutions."""
