"""Picture files and layers' pixels: formats, depths, profiles. numpy, never torch."""
