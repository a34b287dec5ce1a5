"""One page that shows results: a file that opens from disk, without a server or a network."""
