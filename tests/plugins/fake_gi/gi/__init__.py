"""GIMP's bindings, as far as a procedure's arguments need them."""
