"""Training: what a step does, in which order tokens come, how a run is saved, watched and continued."""
