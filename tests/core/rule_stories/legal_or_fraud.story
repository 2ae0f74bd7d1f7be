fires
9 customer: You'll be hearing from my solicitor.
> legal_or_fraud alerts: Speaks of legal steps or fraud “hearing from my solicitor”
> legal_or_fraud calls a person

fires
9 customer: Somebody has emptied my account, I never made these payments.
> legal_or_fraud alerts: Speaks of legal steps or fraud “Somebody has emptied my”
> legal_or_fraud calls a person

does not fire
9 customer: I work for a law firm, our office is next to the courthouse.

clears
9 customer: I will take this to the ombudsman.
> legal_or_fraud alerts: Speaks of legal steps or fraud “take this to the ombudsman”
> legal_or_fraud calls a person
400 wait
> legal_or_fraud is cleared: it is over

fires on a caller who must not be hung up on
9 customer: The gentleman doesn't want me to hang up on him.
> legal_or_fraud alerts: Speaks of legal steps or fraud “gentleman doesn't want me to hang up”
> legal_or_fraud calls a person

fires on fraud where the scorer hears need
9 customer: It's a scam, all of it. [escalation 0.6]
> legal_or_fraud alerts: Speaks of legal steps or fraud “scam”
> legal_or_fraud calls a person

does not fire where it hears none
9 customer: No fee? That sounds like a scam, go on, what's the catch? [escalation 0.1]

fires on law by other words, told without pleasure
9 customer: The advocate writes to you now. [legal 0.95] [sentiment -3] [escalation 0.7]
> legal_or_fraud alerts: Speaks of legal steps or fraud “The advocate writes to you now.”
> legal_or_fraud calls a person

does not fire on a duty at law
9 customer: I've been called to court and can't use the tickets. [legal 0.95] [sentiment -2.3] [escalation 0.6]

does not fire on law and dislike in two utterances
9 customer: One of your lawyers, in the play. [legal 0.95] [escalation 0.2]
14 customer: I didn't like the ending. [sentiment -3] [escalation 0.2]

fires on fraud told in the same breath as a duty at law
9 customer: I've been called to court because somebody stole my identity. [escalation 0.1]
> legal_or_fraud alerts: Speaks of legal steps or fraud “stole my identity”
> legal_or_fraud calls a person

does not fire on a number that is left
9 customer: Please give them my number. [escalation 0.1]

fires on what happened last week as on what happens now
9 customer: Somebody stole my card last week.
> legal_or_fraud alerts: Speaks of legal steps or fraud “Somebody stole my”
> legal_or_fraud calls a person

fires on a code that was given away
9 customer: I had a fake call from your bank asking for my code and I gave it.
> legal_or_fraud alerts: Speaks of legal steps or fraud “asking for my code and I gave”
> legal_or_fraud calls a person
