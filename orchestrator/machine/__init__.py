"""What any program needs of the computer: files, locks, processes, signals, GPUs, the hub."""
