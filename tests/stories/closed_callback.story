# Monday 13:00 in Berlin, half an hour after closing: the AI is told when there is somebody, and notes a callback.
0    available peter
0    start
5    customer: Let me speak to a human please. [wants_human 1.0]
20   callback 0301234567 tomorrow
25   refused 409: release
30   lose customer hangup
90   called_back peter not_reached
95   called_back peter reached
96   refused 409: called_back peter reached
