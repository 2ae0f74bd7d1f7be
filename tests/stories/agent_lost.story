# Peter's connection breaks in mid-call: the AI covers at once, and when he stays away Lisa is asked, not Peter.
0    available peter billing
0    available lisa
1    start topic=billing
6    customer: Can I speak to a human? [wants_human 1.0]
8    accept peter
9    connect seat-peter
12   agent: Hello, this is Peter.
15   customer: My router is broken. [sentiment -2]
17   lose seat-peter silent
19   ai: I am still with you, one moment please.
27   accept lisa
28   connect seat-lisa
30   agent: Hello, this is Lisa. I am sorry about that.
40   lose seat-lisa hangup
44   ai: Is there anything else?
50   end ai_ended
