fires
4 customer: I'd like to change the date of the visit.
9 ai: Which product is it about?
14 customer: That's not what I asked.
19 ai: I can tell you about our products.
24 customer: You're not listening.
> misunderstood alerts: Had to repeat or correct twice “not what I asked” “You're not listening”

does not fire
4 customer: I'd like to change the date of the visit.
9 ai: Which date would you like?
14 customer: As I said in my email, the ninth.

clears
4 customer: I'd like to change the date of the visit.
14 customer: That's not what I asked.
24 customer: You're not listening.
> misunderstood alerts: Had to repeat or correct twice “not what I asked” “You're not listening”
29 ai: The visit is on the ninth now.
34 customer: Perfect, thank you.
> misunderstood is cleared: it has become better
