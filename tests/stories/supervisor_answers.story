# Sue takes the call herself while it rings: nobody else is needed. When she is lost, the AI goes on.
0    available peter
1    start
5    customer: A human please. [wants_human 1.0]
8    supervise takeover
12   supervisor/sue: Hello, I am with you.
20   lose seat-sue silent
25   escalate peter
27   away peter
30   end ended_by_supervisor
