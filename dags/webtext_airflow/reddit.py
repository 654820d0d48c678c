"""Who asks Reddit: an Airflow connection, handed to the command as the `praw_*` variables that PRAW reads."""

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException
from airflow.sdk.log import mask_secret

CONNECTION = "reddit_default"
FURTHER = ("user_agent", "username", "password", "refresh_token")
"""Names in the connection's extra."""


def credentials() -> dict[str, str]:
    """The variables for the command.

    The connection's login is the app's id, its password the app's secret. Raises AirflowFailException without one.
    """
    try:
        found = Connection.get(CONNECTION)
    except AirflowNotFoundException:
        raise AirflowFailException(
            f"there is no connection {CONNECTION}: give it the app's id as login, its secret as password, and "
            "user_agent in its extra."
        ) from None
    extra = {name: value for name, value in found.extra_dejson.items() if name in FURTHER}
    given = {"client_id": found.login, "client_secret": found.password, **extra}
    present = {name: str(value) for name, value in given.items() if value}
    for name in present.keys() - {"user_agent", "username"}:
        mask_secret(present[name])
    return {f"praw_{name}": value for name, value in present.items()}
