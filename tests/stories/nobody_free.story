# Nobody is there: it is said once, and Peter is asked the moment he becomes available.
0    start topic=billing
5    customer: I want to speak to a person. [wants_human 1.0]
20   customer: Hello? I want to speak to a person! [wants_human 1.0, sentiment -3]
30   available peter
33   away peter
40   available peter
41   accept peter
42   connect seat-peter
50   lose customer hangup
