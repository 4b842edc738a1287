"""What the pictures that we ship are drawn with: numpy, Pillow and a seed, nothing photographed and nothing borrowed."""
