fires
4 ai: Hello, this is the assistant of Brook Bank. How can I help?
9 customer: It's about the standing order. I'd sooner go through it with one of your advisers.
> asks_for_human alerts: Asked for a person “one of your advisers”
> asks_for_human calls a person

fires by meaning, not by a list
4 ai: Would you like to check the balance again?
9 customer: A machine can't understand this. Is there anyone there who can look at it?
> asks_for_human alerts: Asked for a person “anyone there who can look” “A machine can't understand”
> asks_for_human calls a person

fires when asked to be rung back
9 customer: Could somebody ring me back after five, please?
> asks_for_human alerts: Asked for a person “somebody ring me”
> asks_for_human calls a person

does not fire
4 ai: I can put you through to a colleague, or help you myself.
9 customer: No need, I don't want to speak to anybody. The agent I had yesterday was lovely.
14 customer: Am I talking to a machine? Oh, that's fine.

does not fire on a thing by its number
9 customer: Your number six just ate my quid.
