"""Errors that are the user's to mend: one sentence that says what, where and what to do; never a traceback."""


class UserError(Exception):
    """A mistake in the config, the input or the surroundings. The command prints its sentence and exits with 2."""
