"""What a person types: commands, their options, and what the terminal shows."""
