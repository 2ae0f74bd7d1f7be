# The media process dies: all legs are lost for a moment, everybody keeps his seat, the call goes on.
0    available peter
1    start
5    customer: Get me a person. [wants_human 1.0]
7    accept peter
8    connect seat-peter
12   lose customer media_died
12   lose ai media_died
12   lose seat-peter media_died
15   connect customer
15   connect ai
16   connect seat-peter
20   agent: Are you still there?
25   lose customer hangup
