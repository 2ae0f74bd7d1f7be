# The AI's leg breaks with no human there: a person is asked at once. The AI is back before he answers.
0    available peter
1    start
5    customer: Hi, I have a question.
8    lose ai silent
12   connect ai
20   lose ai silent
22   accept peter
23   connect seat-peter
27   agent: Hello, this is Peter.
30   refused 409: handback peter
40   lose customer hangup
