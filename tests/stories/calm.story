# A call in which nothing is wrong, though it holds words that look bad.
0    available peter
0    start tier=gold topic=address
3    ai: Hello, thank you for calling. How can I help you?
7    customer: Hi, I am moving and I need to change my address.
10   ai: I can do that for you. What is your new address?
14   customer: Twelve Park Street. The old flat was terrible, I am glad to leave. [sentiment -2.4]
18   ai: Your address is changed from next Monday.
22   customer: Great, that was quick and easy. [sentiment 4]
25   ai: Did somebody help you with the move?
29   customer: My brother, he is a real person to count on. [sentiment 2]
33   customer: Thank you so much, goodbye. [sentiment 3]
35   lose customer hangup
