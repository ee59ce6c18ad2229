"""Getting artifacts: from files, folders and the cache, or built in processes of their own."""
