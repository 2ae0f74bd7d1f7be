fires
4 customer: It is not what I ordered. [sentiment -2.5]
9 customer: The colour is off. [sentiment -2]
14 customer: And it is late. [sentiment -2.2]
> unhappy alerts: Unhappy for a while “It is not what I ordered.” “The colour is off.” “And it is late.”

does not fire
4 customer: It is not what I ordered. [sentiment -2.5]
9 customer: The colour is nice, though. [sentiment 1]
14 customer: And it is late. [sentiment -2.2]

clears
4 customer: It is not what I ordered. [sentiment -2.5]
9 customer: The colour is off. [sentiment -2]
14 customer: And it is late. [sentiment -2.2]
> unhappy alerts: Unhappy for a while “It is not what I ordered.” “The colour is off.” “And it is late.”
19 customer: A new one tomorrow is fine. [sentiment 1]
24 customer: You have made my day. [sentiment 3]
> unhappy is cleared: it has become better
