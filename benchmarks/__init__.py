"""Side-by-side runs against peers, oracles and bare costs. Not here: tests that pass or fail by themselves."""
