"""Two cases against each other: parsing, preparing, fighting, recording."""
