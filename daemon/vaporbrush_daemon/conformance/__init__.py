"""A client that tests servers: whether one keeps to the specification, told check by check."""
