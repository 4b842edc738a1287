"""GPUs of several machines for one daemon, on Dask distributed. Only `members` may be imported without the extra."""
