# Peter has the skill and is asked first; he declines, Lisa takes it.
0    available lisa sales
0.5  available peter billing
1    start topic=billing
6    customer: I want to talk to a real person. [wants_human 1.0]
9    decline peter busy
10   refused 403: accept peter
11   accept lisa
12   refused 409: accept lisa
13   connect seat-lisa
20   lose customer hangup
