"""The wire protocol: pure Python, standard library and msgpack."""
