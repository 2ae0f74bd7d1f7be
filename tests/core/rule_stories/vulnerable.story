fires
9 customer: I can't afford it, I've been sitting here with the heating off.
> vulnerable alerts: May need special care “can't afford”
> vulnerable calls a person

fires when the answers pass it by
4 customer: My late payment, yes. I was in hospital all of May.
9 ai: I understand. You can pay in our app.
14 ai: Is there anything else I can help with?
> vulnerable alerts: May need special care “in hospital” “I understand” “Is there anything else”
> vulnerable calls a person

does not fire
9 customer: Nobody has died, I am just changing my name. It's dead easy, I hear.
14 customer: My phone died on the train.

fires on frailty where the scorer hears it too
9 customer: I've been signed off with depression, and the rent is due. [vulnerable 0.6] [escalation 0.4]
> vulnerable alerts: May need special care “depression”
> vulnerable calls a person

does not fire on a wheelchair among other worries
4 customer: There are more of us on Friday, I'm worried. [sentiment -3] [escalation 0.3]
9 customer: And one's in a wheelchair, did the office say? [sentiment -1] [escalation 0.1]

does not fire on one word found twice
9 customer: I'd have died before I remembered that. [escalation 0.1]

does not fire on hardship that the scorer takes lightly
9 customer: I can't afford to miss it, put me down for two. [escalation 0.05]

fires on what only the scorer hears, twice
4 customer: There's nothing on the meter. [vulnerable 0.6] [escalation 0.4]
9 customer: I've been putting water in her milk. [vulnerable 0.6] [escalation 0.8]
> vulnerable alerts: May need special care “There's nothing on the meter.” “I've been putting water in her milk.”
> vulnerable calls a person

fires on children who go without, whoever's they are
9 customer: If you take that today I can't feed my kids.
> vulnerable alerts: May need special care “can't feed”
> vulnerable calls a person
