# Sue listens, coaches Peter, enters, takes over, and gives the call back to the AI.
0    available peter
1    start
2    supervise monitor
3    refused 409: supervise coach
5    customer: A human please. [wants_human 1.0]
7    accept peter
8    connect seat-peter
10   agent/peter: Hello, this is Peter.
12   supervise coach
15   supervise barge
17   supervisor/sue: Hello, I am the supervisor.
20   supervise takeover
22   customer: Thank you both. [sentiment 3]
25   supervise coach
30   handback peter
33   ai: I am back with you.
35   supervise takeover
37   supervisor/sue: One more thing.
40   handback sue
42   leave
43   refused 404: leave
45   refused 409: handback sue
50   end ended_by_supervisor
