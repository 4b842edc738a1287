"""The daemon's process without torch: the loop, its sockets, the spool, and what each request does."""
