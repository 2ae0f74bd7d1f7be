fires
4 ai: The excess is set by the liability schedule.
9 customer: What does that mean?
14 ai: It is the deductible.
19 customer: I don't understand.
> confused alerts: The customer does not follow “What does that mean” “don't understand”

does not fire
4 ai: The excess is the part you pay yourself.
9 customer: Which part is that in pounds?

clears
9 customer: What does that mean?
19 customer: I don't understand.
> confused alerts: The customer does not follow “What does that mean” “don't understand”
24 ai: You pay the first hundred pounds, we pay the rest.
29 customer: Ah, I see. Got it.
> confused is cleared: it has become better
