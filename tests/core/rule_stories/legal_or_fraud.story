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
