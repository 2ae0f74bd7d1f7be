# Peter does not answer: Lisa is asked. She does not answer either: after a pause Peter is asked again.
0    available peter
1    available lisa
2    start
6    customer: Operator please. [wants_human 0.9]
27   wait
58   accept peter
59   connect seat-peter
65   lose customer hangup
