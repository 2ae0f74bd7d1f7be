# Two agents ring together: the first to accept wins, the other is let go, and being late is told as such.
0    available peter
0    available lisa
0    available tom
0    start
5    customer: Let me speak to a human please. [wants_human 1.0]
7    accept lisa
7.5  refused 409: accept peter
9    connect seat-lisa
20   handback lisa
25   dispose lisa resolved
26   lose customer hangup
