"""seqguard demo: the story, told on a throwaway server."""
