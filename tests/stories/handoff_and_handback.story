# Charged twice: the customer asks for a person, Peter takes the call, and gives it back.
0    available peter billing
0    start tier=gold topic=billing
2.5  ai: Hello, thank you for calling. How can I help you?
6    customer: Hi, I was charged twice for my internet. [sentiment -2.8, complaint 0.7]
9    ai: Can you tell me your account number?
13   customer: My account number is four seven two nine eight one.
17   ai: I am not sure about that. It might be an error, maybe. [speaker 0.8, hedging 0.9]
21   customer: This is terrible. I already called three times about this. [sentiment -4.4, repeat 0.9, dialogue 0.7]
25   customer: Let me speak to a human please. [wants_human 1.0]
27   ai: Of course. I will connect you with a person.
29   accept peter
31   connect seat-peter
33   agent: Hello, this is Peter. I can see that you were charged twice.
38   customer: Yes, and I want my money back today. [sentiment -2.3, refund 0.9]
43   agent: I am sending your refund right now.
48   customer: Thank you, that is very helpful. [sentiment 4]
50   handback peter
53   ai: I am back with you. Is there anything else I can do?
57   customer: No, that is all, thank you so much. [sentiment 3]
59   lose customer hangup
70   dispose peter refund
