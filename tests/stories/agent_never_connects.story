# Peter accepts but his leg never comes: the customer keeps the AI, and Lisa is asked.
0    available peter billing
0    available lisa
1    start topic=billing
6    customer: I need a real person. [wants_human 1.0]
8    accept peter
16   ai: I am looking for somebody.
25   accept lisa
26   connect seat-lisa
40   end ended_by_agent
