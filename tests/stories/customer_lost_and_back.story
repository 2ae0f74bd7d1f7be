# The customer's connection breaks; he is back within the grace, breaks again, and stays away.
0    available peter
1    start
5    customer: Hi, I have a question.
8    lose customer silent
15   connect customer
20   customer: Sorry, I was cut off.
25   lose customer closed
45   wait
