"""Installs the painter from inside a host program: standard library only.

`kit` reads what the plug-in's zip brought; `plan` is pure: what is to be done on this machine, and the table of states;
`download`, `index` and `environment` do it; `work` is the thread that both hosts show.
"""
