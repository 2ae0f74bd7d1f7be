# Badly recognised words alert but call nobody, unless they ask for a person.
0    available peter
1    start
5    customer: I will sue you, I will call my lawyer. [sentiment -4, suspect yes]
10   customer: You already said that. [repeat 0.9, suspect yes]
14   customer: You already said that. [repeat 0.9, suspect yes]
18   customer: You already said that. [repeat 0.9, suspect yes]
24   customer: You already said that. [repeat 0.9]
30   dismiss repeated_failure
35   customer: Let me speak to a human please. [suspect yes]
40   lose customer hangup
