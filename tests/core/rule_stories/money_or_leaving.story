fires
9 customer: Then I would like my money back.
> money_or_leaving alerts: Wants to leave, complain or be refunded “money back”

does not fire
9 customer: When is the money due?

clears
9 customer: Then I would like my money back.
> money_or_leaving alerts: Wants to leave, complain or be refunded “money back”
300 wait
> money_or_leaving is cleared: it is over
