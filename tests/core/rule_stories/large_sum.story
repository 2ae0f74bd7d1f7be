fires
9 customer: I have to transfer sixty-four thousand pounds for the house today.
> large_sum alerts: Much money, or the account, is at stake “sixty-four thousand” “transfer”
> large_sum calls a person

fires
9 customer: I want to close my account.
> large_sum alerts: Much money, or the account, is at stake “close my account”
> large_sum calls a person
> money_or_leaving alerts: Wants to leave, complain or be refunded “close my account”

does not fire
9 customer: I'd like a refund of thirty-eight pounds for the train.
> money_or_leaving alerts: Wants to leave, complain or be refunded “refund”
14 ai: Your balance is ten thousand pounds.
