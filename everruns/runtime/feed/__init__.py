"""The feed: how readers get what is new in sessions, across processes.

A reader's process (an API replica) and a session host keep one feed between them. The replica
subscribes, acknowledges and drops; each change rides on the next poll, a call that waits until
something is new. The host knows where each subscription stands and looks only at those of which
something changed, so a subscription to a silent session costs nothing.

    In the replica                            In the session host
    Streams     all streams of the process    Feeds         all feeds of the host
    Subscriber  its side of one feed          Feed          the host's side of one feed
    Group       streams at the same place     Subscription  what the host knows of a group

What travels, in ``poll``:

    Poll        the replica's changes, and how long the host may wait
    Reading     what is new for one subscription

What they are made of:

    Cursor      where a reader stands: events it has, then how much of a draft
    Place       a session and a cursor
    Draft       the message being written, which is not stored yet
    Batch       a reading as all streams of a group share it
    Pace        for how long deltas gather before they are sent

Nothing is queued for a reader: a subscription gets its next reading after it has acknowledged the
last one. What is lost on the way is not repeated either. The replica knows the place of each
stream, and after any failure it subscribes anew, from there.
"""
