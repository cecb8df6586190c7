"""A teacher's embeddings of a corpus, computed once and stored."""
