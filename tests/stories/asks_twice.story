# The second request makes the first one worse; there is one escalation.
0    available peter
1    start
5    customer: Give me a human. [wants_human 0.9]
9    ai: I can help you with that. What is it about?
13   customer: I said, give me a human. [wants_human 0.9, sentiment -3, repeat 0.7]
15   accept peter
16   connect seat-peter
20   lose customer hangup
