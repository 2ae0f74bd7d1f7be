# Peter's connection breaks twice. First he is back soon, and nobody else is asked; then Lisa rings when he comes.
0    available peter
1    start
6    customer: Can I speak to a human? [wants_human 1.0]
8    accept peter
9    connect seat-peter
12   agent: Hello, this is Peter.
17   lose seat-peter silent
19   ai: I am still with you, one moment please.
22   connect seat-peter
25   agent: Here I am again.
26   available lisa
28   lose seat-peter closed
38   connect seat-peter
40   agent: I am sorry, my network is bad today.
44   handback peter
48   end ai_ended
