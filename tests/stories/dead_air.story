# Silence alerts after eight seconds and clears with the first word; long silence calls a person.
0    available peter
1    start
5    ai: One moment please.
9    silence
18   sound
18   ai: I am still looking.
25   silence
50   sound
52   accept peter
53   connect seat-peter
55   silence
80   end ended_by_agent
