"""What our pictures are drawn with: numpy, Pillow and a seed, nothing photographed and nothing borrowed."""
