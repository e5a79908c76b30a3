"""The one exception that every reader of data raises for a mistake of the user's."""


class UserError(Exception):
    """A mistake that the user can fix; the message is one plain sentence saying what to change.

    Entry points print the message without a traceback and exit with status 2.
    """
