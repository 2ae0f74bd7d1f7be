fires
4 ai: I've sent you a new code for the return.
9 customer: It says expired.
14 ai: I've sent you another new code for the return.
19 customer: Same message again.
> misunderstood alerts: Had to repeat or correct twice “says expired” “Same message again”
> repeated_failure alerts: Misunderstood 3 times “says expired” “I've sent you another new code for the return.” “Same message again”
> repeated_failure calls a person
24 ai: I've sent you a new code for the return.

fires after three failed tools of the AI
4 ai: One moment.
9 tool failed: booking
14 tool failed: booking
19 tool failed: booking
> repeated_failure alerts: Misunderstood
> repeated_failure calls a person

does not fire
4 ai: Could you repeat the year? The line broke up.
9 customer: Nineteen seventy-four.
14 ai: 1974, thank you. And the last four digits of the card?
19 customer: Three oh nine five.

clears
4 customer: The code doesn't work.
9 customer: The second code is invalid as well.
> misunderstood alerts: Had to repeat or correct twice “doesn't work” “second code”
14 customer: It's still not taking it.
> repeated_failure alerts: Misunderstood 3 times “doesn't work” “second code” “still not”
> repeated_failure calls a person
19 ai: I have booked the return without a code.
24 customer: Oh good, that did it.
> misunderstood is cleared: it has become better
> repeated_failure is cleared: it has become better
