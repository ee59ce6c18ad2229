"""Makes pages of the site from the code; the pages that people write are in the folder above."""
