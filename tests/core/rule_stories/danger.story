fires
9 customer: There is a smell of gas in the kitchen.
> danger alerts: Health or safety is at stake “smell of gas”
> danger calls a person

does not fire
9 customer: This match is mad, I'm going to have a heart attack! My wife will kill me.

fires on what is only a sign
9 customer: It's an eggy smell, and my husband is hard to wake.
> danger alerts: Health or safety is at stake “hard to wake”
> danger calls a person

fires on a word that is no danger by itself where the scorer hears one
9 customer: My mother has come over all dizzy. [vulnerable 0.9]
> danger alerts: Health or safety is at stake “dizzy”
> danger calls a person
> vulnerable alerts: May need special care “My mother has come over all dizzy.”
> vulnerable calls a person

does not fire on such a word alone
9 customer: I set myself on fire for a living, and I need new wicks. [vulnerable 0.3]
14 customer: I'd have died before I remembered that, yeah, go on. [escalation 0.1]
19 customer: Does the emergency stop button need a key? [escalation 0.1]
24 customer: It's the film where everybody gets poisoned. [escalation 0.1]

does not fire on a trade
9 customer: I'm an ambulance driver and I'm on earlies. [vulnerable 0.6]

fires whatever harmless thing is named beside it
9 customer: Is this the ambulance service? My husband has collapsed. [escalation 0.1]
> danger alerts: Health or safety is at stake “collapsed”
> danger calls a person

fires on a soft word beside it
9 customer: It's not an emergency, but the fire alarm is on and I smell smoke. [escalation 0.1]
> danger alerts: Health or safety is at stake “smell smoke”
> danger calls a person

does not fire on what an emergency has need of
9 customer: Is there an emergency exit near an emergency button? [escalation 0.1]

fires on people who are injured, whatever the scorer hears
9 customer: There's been an accident, people are injured. [escalation 0.04]
> danger alerts: Health or safety is at stake “people are injured”
> danger calls a person

does not fire on a player who is
9 customer: Their striker is injured, can I change my seat? [escalation 0.04]
