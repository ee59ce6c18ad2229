"""What commands share: options, configuration, progress, consoles, and files as users name them."""
