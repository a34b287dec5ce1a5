"""What a clip shows, whether every toolkit is given that, and copies of those of which it is not so."""
