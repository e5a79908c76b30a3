"""The one kind of error that a reader of data raises."""


class UserError(Exception):
    """A mistake that the user can mend; the message is one plain sentence saying what to change.

    Entry points print the message without a traceback and exit with status 2.
    """
