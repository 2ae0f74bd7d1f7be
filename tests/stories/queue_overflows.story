# Billing's only agent is away. After half a minute anybody may be asked; Lisa claims it before she is rung twice.
0    away peter
0    available lisa
0    start topic=billing tier=gold
5    customer: Let me speak to a human please. [wants_human 1.0]
30   ai: Nobody is free just now.
36   decline lisa
40   claim lisa
42   connect seat-lisa
60   handback lisa
61   refused 409: claim lisa
70   dispose lisa follow_up
71   lose customer hangup
